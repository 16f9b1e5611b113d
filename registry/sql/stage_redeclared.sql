-- stage_redeclared: known documents that arrive declared in another way than the registry has them.
CREATE OR REPLACE TEMP TABLE redeclared AS
SELECT known.digest, document.document_id, arriving.input, arriving.number, arriving.place, document.item,
       arriving.origin_declared, arriving.origin AS new_origin, arriving.declared AS new_generation,
       arriving.generator AS new_generator, arriving.license AS new_license,
       document.origin AS old_origin, document.generation AS old_generation,
       model.name AS old_generator, license.name AS old_license
FROM arriving
JOIN known ON known.digest = arriving.digest
JOIN document ON document.document_id = known.document_id
LEFT JOIN model ON model.model_id = document.model_id
LEFT JOIN license ON license.license_id = document.license_id
WHERE (arriving.origin_declared AND arriving.origin <> document.origin)
      -- What lineage has since made of a declaration does not make the same declaration another one.
   OR (arriving.declared IS DISTINCT FROM document.declared_generation AND arriving.declared <> coalesce(document.generation, -1))
   OR (arriving.generator IS NOT NULL AND arriving.generator IS DISTINCT FROM model.name)
   OR (arriving.license IS NOT NULL AND arriving.license IS DISTINCT FROM license.name)
