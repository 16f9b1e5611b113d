-- list_runs: runs, newest first.
SELECT lower(hex(run.digest)) AS digest, run.kind, model.name AS model, lower(hex(mix.digest)) AS mix,
       run.spec::VARCHAR AS spec, run.seed, run.is_foreign,
       (SELECT count(*) FROM document WHERE document.run_id = run.run_id) AS documents
FROM run
JOIN model USING (model_id)
LEFT JOIN mix ON mix.mix_id = run.mix_id
ORDER BY run.run_id DESC
LIMIT $limit
