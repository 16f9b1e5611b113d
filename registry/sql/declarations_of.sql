-- declarations_of: what was declared of a document, the newest first; the first is in force.
SELECT made_at, declaration.origin, declaration.generation, model.name AS generator, license.name AS license,
       declared_by, evidence
FROM declaration
JOIN batch USING (batch_id)
LEFT JOIN model ON model.model_id = declaration.model_id
LEFT JOIN license ON license.license_id = declaration.license_id
WHERE document_id = $document_id
ORDER BY declaration.batch_id DESC
