-- declarations_of: what was declared of a document, the one in force first.
SELECT declared_at, precedence, declaration.origin, declaration.generation, model.name AS generator, license.name AS license,
       declared_by, evidence
FROM declaration
LEFT JOIN model ON model.model_id = declaration.model_id
LEFT JOIN license ON license.license_id = declaration.license_id
WHERE document_id = $document_id
ORDER BY precedence DESC, declared_at DESC, declaration.batch_id DESC
