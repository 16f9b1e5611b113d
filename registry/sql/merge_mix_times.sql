-- merge_mix_times: when the mixes that came were drawn.
UPDATE mix SET made_at = theirs.made_at FROM their_mix AS theirs WHERE mix.digest = theirs.digest AND mix.batch_id = $batch_id
