-- past_documents: the documents as they were after a batch, with the declaration that was in force then.
WITH newest AS (
    SELECT document_id, arg_max(declaration, {'precedence': precedence, 'declared_at': declared_at, 'batch_id': batch_id}) AS was
    FROM declaration
    WHERE batch_id <= (SELECT batch_id FROM asked)
      AND document_id IN (SELECT document_id FROM declaration WHERE batch_id > (SELECT batch_id FROM asked))
    GROUP BY document_id
)
SELECT document.* REPLACE (
    CASE WHEN was IS NULL THEN document.origin ELSE was.origin END AS origin,
    CASE WHEN was IS NULL THEN document.model_id ELSE was.model_id END AS model_id,
    CASE WHEN was IS NULL THEN document.license_id ELSE was.license_id END AS license_id,
    CASE WHEN was IS NULL THEN document.declared_generation ELSE was.generation END AS declared_generation
)
FROM document
LEFT JOIN newest USING (document_id)
WHERE document.batch_id <= (SELECT batch_id FROM asked)
