-- learn_new_mixes: mixes that came along and were not held, not even by digest.
INSERT INTO mix (mix_id, digest, spec, seed, as_of_batch_id, made_at, is_foreign, batch_id)
SELECT (SELECT coalesce(max(mix_id), 0) FROM mix) + row_number() OVER (ORDER BY digest), unhex(digest),
       NULL, NULL, NULL, $made_at, true, $batch_id
FROM carried_mixes
WHERE unhex(digest) NOT IN (SELECT digest FROM mix)
