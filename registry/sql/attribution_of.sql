-- attribution_of: how probably a document is a model's, as attributed last, and by which evidence.
SELECT p_model, evidence::VARCHAR AS evidence, made_at
FROM attribution
JOIN batch USING (batch_id)
WHERE document_id = $document_id
ORDER BY batch_id DESC
LIMIT 1
