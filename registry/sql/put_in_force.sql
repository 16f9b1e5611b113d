-- put_in_force: of each document that a batch declared anew, the declaration that counts: highest precedence, then newest.
-- One merge may bring several of one moment: then what they say decides.
UPDATE document
SET origin = chosen.origin, declared_generation = chosen.generation, model_id = chosen.model_id,
    license_id = chosen.license_id
FROM (
    SELECT declaration.*
    FROM declaration
    LEFT JOIN model ON model.model_id = declaration.model_id
    LEFT JOIN license ON license.license_id = declaration.license_id
    WHERE document_id IN (SELECT document_id FROM declaration WHERE batch_id = $batch_id)
    QUALIFY row_number() OVER (
        PARTITION BY document_id
        ORDER BY precedence DESC, declared_at DESC, declaration.batch_id DESC, declaration.origin,
                 declaration.generation, model.digest, license.name
    ) = 1
) AS chosen
WHERE chosen.document_id = document.document_id
  AND (document.origin, document.declared_generation, document.model_id, document.license_id)
      IS DISTINCT FROM (chosen.origin, chosen.generation, chosen.model_id, chosen.license_id)
