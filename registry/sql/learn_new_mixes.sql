-- learn_new_mixes: mixes that were not held, not even by digest.
INSERT INTO mix (mix_id, digest, spec, seed, as_of_batch_id, made_at, is_foreign, batch_id)
SELECT (SELECT coalesce(max(mix_id), 0) FROM mix) + row_number() OVER (ORDER BY digest), unhex(digest), spec,
       CASE WHEN NOT is_stub THEN coalesce((spec::JSON ->> '$.seed')::BIGINT, 0) END, NULL, $made_at, is_stub, $batch_id
FROM carried_mixes
WHERE unhex(digest) NOT IN (SELECT digest FROM mix)
