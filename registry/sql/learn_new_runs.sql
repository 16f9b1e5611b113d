-- learn_new_runs: runs that were not held; a guess only where there is no training of that model.
INSERT INTO run (run_id, digest, kind, model_id, mix_id, spec, seed, tokenizer_id, is_foreign, batch_id)
SELECT (SELECT coalesce(max(run_id), 0) FROM run) + row_number() OVER (ORDER BY carried.digest), unhex(carried.digest),
       carried.kind, model.model_id, mix.mix_id, carried.spec, carried.seed, tokenizer.tokenizer_id, is_stub, $batch_id
FROM carried_runs AS carried
JOIN model ON model.digest = unhex(carried.model)
LEFT JOIN mix ON mix.digest = unhex(carried.mix)
LEFT JOIN tokenizer ON tokenizer.digest = unhex(carried.tokenizer)
WHERE unhex(carried.digest) NOT IN (SELECT digest FROM run)
  AND NOT (is_stub AND carried.kind IS NOT DISTINCT FROM 'train'
           AND model.model_id IN (SELECT model_id FROM run WHERE kind = 'train'))
