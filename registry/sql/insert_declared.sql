-- insert_declared: append what is declared of each document.
INSERT INTO declaration (document_id, batch_id, origin, generation, model_id, license_id, declared_by, evidence,
                         precedence, declared_at)
SELECT document_id, $batch_id, declaring.origin, declaring.generation, model.model_id, declaring.license_id,
       said.declared_by, said.evidence, said.precedence, $made_at
FROM declaring
CROSS JOIN said
LEFT JOIN model ON model.digest = declaring.model
