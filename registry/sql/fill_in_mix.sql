-- fill_in_mix: a mix that was known by its digest alone, now that it was drawn here.
UPDATE mix
SET spec = $spec, seed = $seed, as_of_batch_id = $as_of_batch_id, made_at = $made_at, is_foreign = false
WHERE digest = $digest
