-- insert_foreign_runs: runs that an export names and that were never recorded here, of writing and of training.
INSERT INTO run (run_id, digest, kind, model_id, mix_id, spec, seed, tokenizer_id, is_foreign, batch_id)
SELECT (SELECT coalesce(max(run_id), 0) FROM run) + row_number() OVER (ORDER BY named.digest), named.digest,
       named.kind, model.model_id, mix.mix_id, NULL, NULL, NULL, true, $batch_id
FROM (
    SELECT DISTINCT run AS digest, NULL AS kind, model, NULL::BLOB AS trained_on
    FROM arriving
    JOIN news USING (digest)
    WHERE run IS NOT NULL
    UNION
    SELECT DISTINCT unhex(sha256(model || trained_on)), 'train', model, trained_on
    FROM arriving
    JOIN news USING (digest)
    WHERE trained_on IS NOT NULL
) AS named
JOIN model ON model.digest = named.model
LEFT JOIN mix ON mix.digest = named.trained_on
WHERE named.digest NOT IN (SELECT digest FROM run)
  AND (named.kind IS NULL OR model.model_id NOT IN (SELECT model_id FROM run WHERE kind = 'train'))
