-- insert_foreign_mixes: mixes that an export names as what its models learnt from, and that are not held here.
INSERT INTO mix (mix_id, digest, spec, seed, as_of_batch_id, made_at, is_foreign, batch_id)
SELECT (SELECT coalesce(max(mix_id), 0) FROM mix) + row_number() OVER (ORDER BY digest), digest,
       NULL, NULL, NULL, $made_at, true, $batch_id
FROM (SELECT DISTINCT trained_on AS digest FROM arriving JOIN news USING (digest) WHERE trained_on IS NOT NULL)
WHERE digest NOT IN (SELECT digest FROM mix)
