-- insert_foreign_models: models that the arriving documents name and that were never recorded here.
INSERT INTO model (model_id, name, digest, base_model_id, generation, generation_exact, path, is_foreign, batch_id)
SELECT (SELECT coalesce(max(model_id), 0) FROM model) + row_number() OVER (ORDER BY digest), name, digest,
       NULL, generation, exact, NULL, true, $batch_id
FROM named_model
WHERE NOT is_known
