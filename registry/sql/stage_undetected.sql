-- stage_undetected: the documents that some keys were not looked for in, or that may hold disguises, in parts by bytes.
CREATE OR REPLACE TEMP TABLE undetected AS
SELECT document_id, text_id, sum(bytes) OVER (ORDER BY document_id) // $part_bytes AS part
FROM document
JOIN text USING (text_id)
LEFT JOIN (
    SELECT document_id, count(DISTINCT key_id) AS keys
    FROM detection
    WHERE list_contains($keys::VARCHAR[], key_id)
    GROUP BY document_id
) AS looked_for USING (document_id)
WHERE content IS NOT NULL AND batch_id >= $first_batch
  AND (coalesce(keys, 0) < len($keys::VARCHAR[]) OR ($disguises IS NOT NULL AND regexp_matches(content, $disguises)))
