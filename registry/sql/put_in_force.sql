-- put_in_force: of each document that a batch declared anew, the declaration that counts: highest precedence, then newest.
UPDATE document
SET origin = chosen.origin, declared_generation = chosen.generation, model_id = chosen.model_id,
    license_id = chosen.license_id
FROM (
    SELECT *
    FROM declaration
    WHERE document_id IN (SELECT document_id FROM declaration WHERE batch_id = $batch_id)
    QUALIFY row_number() OVER (PARTITION BY document_id ORDER BY precedence DESC, declared_at DESC, batch_id DESC) = 1
) AS chosen
WHERE chosen.document_id = document.document_id
