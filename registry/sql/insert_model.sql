-- insert_model: record a model.
INSERT INTO model (model_id, name, digest, base_model_id, generation, generation_exact, path, is_foreign, batch_id)
SELECT coalesce(max(model_id), 0) + 1, $name, $digest, $base_model_id, $generation, $generation_exact, $path,
       $is_foreign, $batch_id
FROM model
