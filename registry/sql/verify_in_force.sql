-- verify_in_force: documents that say another thing of themselves than their declaration in force.
WITH newest AS (
    SELECT document_id, max({'precedence': precedence, 'declared_at': declared_at, 'batch_id': batch_id}) AS in_force
    FROM declaration
    GROUP BY document_id
)
SELECT 'document ' || lower(hex(digest))[1:12] || ' (' || item || ')' AS place,
       'its origin, generation, model or license is not what its declaration in force says' AS what,
       count(*) OVER () AS total
FROM document
WHERE document_id IN (SELECT document_id FROM declaration) AND document_id NOT IN (
    SELECT document.document_id
    FROM document
    JOIN declaration USING (document_id)
    JOIN newest USING (document_id)
    WHERE in_force = {'precedence': precedence, 'declared_at': declared_at, 'batch_id': declaration.batch_id}
      AND document.origin = declaration.origin
      AND document.declared_generation IS NOT DISTINCT FROM declaration.generation
      AND document.model_id IS NOT DISTINCT FROM declaration.model_id
      AND document.license_id IS NOT DISTINCT FROM declaration.license_id
)
ORDER BY place
LIMIT $most
