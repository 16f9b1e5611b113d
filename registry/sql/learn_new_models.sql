-- learn_new_models: models that were not held.
INSERT INTO model (model_id, name, digest, base_model_id, generation, generation_exact, path, is_foreign, batch_id)
SELECT (SELECT coalesce(max(model_id), 0) FROM model) + row_number() OVER (ORDER BY digest), name, unhex(digest), NULL,
       CASE WHEN is_stub THEN generation ELSE declared END,
       CASE WHEN is_stub THEN generation_exact ELSE declared IS NOT NULL END, path, is_stub OR mix IS NULL, $batch_id
FROM carried_models
WHERE unhex(digest) NOT IN (SELECT digest FROM model)
