-- carried_otherwise: a run or a model of which documents, whose digests say nothing of it, told something else.
SELECT 'run' AS kind, carried.digest, 'is of another model than its documents say' AS reason
FROM carried_runs AS carried
JOIN run ON run.digest = unhex(carried.digest)
JOIN document USING (run_id)
JOIN model ON model.model_id = document.model_id
WHERE NOT carried.is_stub AND model.digest <> unhex(carried.model)
UNION ALL
SELECT 'model', carried.digest, 'was trained on another mix than its documents say'
FROM carried_models AS carried
JOIN model ON model.digest = unhex(carried.digest)
JOIN run ON run.model_id = model.model_id AND run.kind = 'train' AND run.is_foreign
JOIN mix ON mix.mix_id = run.mix_id
WHERE NOT carried.is_stub AND mix.digest IS DISTINCT FROM unhex(carried.mix)
ORDER BY ALL
LIMIT 1
