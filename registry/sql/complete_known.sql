-- complete_known: what the row of a known document leaves unsaid, the registry says.
UPDATE arriving
SET origin = held.origin, declared = held.declared, license = held.license, model = held.model
FROM (
    SELECT known.digest, CASE WHEN row.origin_declared THEN row.origin ELSE document.origin END AS origin,
           coalesce(row.declared, document.declared_generation) AS declared, coalesce(row.license, license.name) AS license,
           CASE
               WHEN row.origin_declared AND row.origin NOT IN ('model', 'mixed') THEN NULL
               WHEN row.generator IS NULL OR (row.generator = model.name AND row.declared IS NULL) THEN model.digest
               ELSE row.model
           END AS model
    FROM known
    JOIN news ON news.digest = known.digest
    JOIN arriving AS row ON row.digest = known.digest
    JOIN document ON document.document_id = known.document_id
    LEFT JOIN license ON license.license_id = document.license_id
    LEFT JOIN model ON model.model_id = document.model_id
) AS held
WHERE held.digest = arriving.digest
