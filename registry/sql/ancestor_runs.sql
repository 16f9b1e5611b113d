-- ancestor_runs: the runs behind an export, of training and of writing.
SELECT lower(hex(run.digest)) AS digest, run.kind, lower(hex(model.digest)) AS model, lower(hex(mix.digest)) AS mix,
       run.spec::VARCHAR AS spec, run.seed, lower(hex(tokenizer.digest)) AS tokenizer, run.is_foreign AS is_stub
FROM run
JOIN model USING (model_id)
LEFT JOIN mix ON mix.mix_id = run.mix_id
LEFT JOIN tokenizer USING (tokenizer_id)
WHERE run.run_id IN (SELECT id FROM ancestor WHERE kind = 'run')
ORDER BY run.digest
