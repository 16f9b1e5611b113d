-- detection_keys: the keys that were looked for, and how many documents are marked by each.
SELECT watermark_key.key_id AS key, scheme, count(document_id) FILTER (keys > 0) AS documents,
       count(document_id) FILTER (is_marked AND verdict.key_id = watermark_key.key_id) AS marked
FROM watermark_key
LEFT JOIN (SELECT DISTINCT document_id, key_id FROM detection) AS looked_for ON looked_for.key_id = watermark_key.key_id
LEFT JOIN verdict USING (document_id)
WHERE $keys::VARCHAR[] IS NULL OR list_contains($keys::VARCHAR[], watermark_key.key_id)
GROUP BY watermark_key.key_id, scheme
ORDER BY watermark_key.key_id
