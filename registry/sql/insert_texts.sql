-- insert_texts: each arriving text that the registry does not hold, once.
INSERT INTO text (text_id, digest, content)
SELECT (SELECT coalesce(max(text_id), 0) FROM text) + row_number() OVER (ORDER BY input, number), text_digest, text
FROM arriving
WHERE text_digest NOT IN (SELECT digest FROM text)
QUALIFY row_number() OVER (PARTITION BY text_digest ORDER BY input, number) = 1
