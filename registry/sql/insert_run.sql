-- insert_run: record a run.
INSERT INTO run (run_id, digest, kind, model_id, mix_id, spec, seed, tokenizer_id, is_foreign, batch_id)
SELECT coalesce(max(run_id), 0) + 1, $digest, $kind, $model_id, $mix_id, $spec, $seed, NULL, false, $batch_id
FROM run
