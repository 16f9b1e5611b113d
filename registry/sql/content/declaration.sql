-- content/declaration: who declared what of a document, when, and on what evidence.
SELECT asked.batch_id, document.digest AS key,
       netstring(declaration.origin) || netstring(declaration.generation::VARCHAR)
       || netstring(hex(model.digest)) || netstring(license.name) || netstring(declared_by) || netstring(evidence)
       -- What every declaration had before there was a precedence leaves no trace.
       || CASE WHEN precedence <> 0 OR declared_at <> asked.made_at
               THEN netstring(precedence::VARCHAR) || netstring(epoch_us(declared_at)::VARCHAR) ELSE '' END AS body
FROM declaration
JOIN document USING (document_id)
LEFT JOIN model ON model.model_id = declaration.model_id
LEFT JOIN license ON license.license_id = declaration.license_id
JOIN asked ON asked.batch_id = declaration.batch_id
