-- learn_new_runs: runs that came along and were not held.
INSERT INTO run (run_id, digest, kind, model_id, mix_id, spec, seed, tokenizer_id, is_foreign, batch_id)
SELECT (SELECT coalesce(max(run_id), 0) FROM run) + row_number() OVER (ORDER BY carried.digest), unhex(carried.digest),
       carried.kind, model.model_id, mix.mix_id, carried.spec, carried.seed, NULL, false, $batch_id
FROM carried_runs AS carried
JOIN model ON model.digest = unhex(carried.model)
LEFT JOIN mix ON mix.digest = unhex(carried.mix)
WHERE unhex(carried.digest) NOT IN (SELECT digest FROM run)
