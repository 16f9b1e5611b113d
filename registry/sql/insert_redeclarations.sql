-- insert_redeclarations: append a declaration where a known document arrives declared in another way.
INSERT INTO declaration (document_id, batch_id, origin, generation, model_id, license_id, declared_by, evidence)
SELECT redeclared.document_id, $batch_id, origin, CASE WHEN origin IN ('model', 'mixed') THEN generation END,
       CASE WHEN origin IN ('model', 'mixed') THEN model_id END, license_id, $by, $evidence
FROM (
    SELECT redeclared.document_id,
           CASE WHEN origin_declared THEN new_origin ELSE document.origin END AS origin,
           coalesce(new_generation, latest.generation) AS generation,
           coalesce(model.model_id, document.model_id) AS model_id,
           coalesce(license.license_id, document.license_id) AS license_id
    FROM redeclared
    JOIN document USING (document_id)
    JOIN latest_declaration AS latest USING (document_id)
    LEFT JOIN model ON model.digest = new_model
    LEFT JOIN license ON license.name = new_license
) AS redeclared
