-- was_handed_out: whether the same went into the same file before; of a whole registry, all that is in it now.
SELECT count(*) > 0
FROM handed_out
WHERE kind = $kind AND path = $path AND mix_id IS NOT DISTINCT FROM $mix_id
  AND (mix_id IS NOT NULL OR batch_id >= (SELECT coalesce(max(batch_id), 0) FROM document))
