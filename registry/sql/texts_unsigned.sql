-- texts_unsigned: of the texts from one to another those that have no fingerprint yet, and their bytes.
SELECT text_id, strlen(content) AS bytes
FROM text
WHERE text_id BETWEEN $first AND $last AND content IS NOT NULL
  AND text_id NOT IN (SELECT text_id FROM fingerprint WHERE fingerprint.text_id BETWEEN $first AND $last)
ORDER BY text_id
