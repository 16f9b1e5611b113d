-- learn_new_models: models that came along and were not held.
INSERT INTO model (model_id, name, digest, base_model_id, generation, generation_exact, path, is_foreign, batch_id)
SELECT (SELECT coalesce(max(model_id), 0) FROM model) + row_number() OVER (ORDER BY digest), name, unhex(digest),
       NULL, declared, declared IS NOT NULL, path, true, $batch_id
FROM carried_models
WHERE unhex(digest) NOT IN (SELECT digest FROM model)
