-- texts_unsigned: texts that have no fingerprint yet, from one on, and their bytes.
SELECT text_id, strlen(content) AS bytes
FROM text
WHERE content IS NOT NULL AND text_id > $after AND text_id NOT IN (SELECT text_id FROM fingerprint)
ORDER BY text_id
LIMIT $most
