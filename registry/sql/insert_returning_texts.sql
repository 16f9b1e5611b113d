-- insert_returning_texts: the arriving texts that were erased before; whether they come back is settled later.
INSERT INTO returning_text
SELECT arriving_text.digest, arriving_text.content
FROM arriving_text
JOIN text ON text.digest = arriving_text.digest
WHERE text.content IS NULL
