-- stage_attributing: the documents of unknown origin among those asked for, in parts of so many bytes.
CREATE OR REPLACE TEMP TABLE attributing AS
SELECT document_id, text_id, words,
       (sum(bytes + 500) OVER (ORDER BY text_id, document_id ROWS UNBOUNDED PRECEDING) // $part_bytes)::BIGINT AS part
FROM document
SEMI JOIN asked_for USING (document_id)
WHERE origin = 'unknown'
