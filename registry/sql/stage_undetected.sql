-- stage_undetected: the documents with a text that some of the keys were not looked for in, in parts of so many bytes.
CREATE OR REPLACE TEMP TABLE undetected AS
SELECT document_id, text_id, sum(bytes) OVER (ORDER BY document_id) // $part_bytes AS part
FROM document
JOIN text USING (text_id)
LEFT JOIN (
    SELECT document_id, count(*) AS keys FROM detection WHERE list_contains($keys::VARCHAR[], key_id) GROUP BY document_id
) AS looked_for USING (document_id)
WHERE content IS NOT NULL AND coalesce(keys, 0) < len($keys::VARCHAR[]) AND batch_id >= $first_batch
