-- learnable_documents: the documents, among those asked for, that are a human's or a model's, and whose texts are held.
SELECT document_id
FROM document
SEMI JOIN asked_for USING (document_id)
JOIN text USING (text_id)
WHERE origin IN ('human', 'model') AND content IS NOT NULL AND words > 0
