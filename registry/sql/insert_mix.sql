-- insert_mix: record a mix.
INSERT INTO mix (mix_id, digest, spec, seed, as_of_batch_id, made_at, is_foreign, batch_id)
SELECT coalesce(max(mix_id), 0) + 1, $digest, $spec, $seed, $as_of_batch_id, $made_at, false, $batch_id FROM mix
