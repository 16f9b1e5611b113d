-- insert_declarations: what was declared of each new document, and by whom.
INSERT INTO declaration (document_id, batch_id, origin, generation, model_id, license_id, declared_by, evidence,
                         precedence, declared_at)
SELECT document.document_id, $batch_id, document.origin, arriving.declared, document.model_id, document.license_id,
       $by, $evidence, 0, $made_at
FROM arriving
JOIN document ON document.digest = arriving.digest
WHERE document.batch_id = $batch_id
