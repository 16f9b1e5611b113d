-- insert_redeclarations: append a declaration where a known document arrives declared in another way.
INSERT INTO declaration (document_id, batch_id, origin, generation, model_id, license_id, declared_by, evidence,
                         precedence, declared_at)
SELECT redeclared.document_id, $batch_id, origin, CASE WHEN origin IN ('model', 'mixed') THEN declared END,
       model.model_id, license.license_id, $by, $evidence, 0, $made_at
FROM redeclared
JOIN arriving ON arriving.digest = redeclared.digest
LEFT JOIN model ON model.digest = arriving.model
LEFT JOIN license ON license.name = arriving.license
