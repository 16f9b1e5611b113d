-- held_mixes: the mixes whose documents are held, in the order of when they were drawn.
-- A mix sees what stood there after the newest batch before it that changed what can be drawn.
SELECT mix_id, lower(hex(digest)) AS digest, spec::VARCHAR AS spec, as_of_batch_id,
       (SELECT max(batch_id) FROM batch WHERE batch_id <= as_of_batch_id AND kind NOT IN ('mix', 'hand out')) AS seen_batch_id,
       made_at >= (SELECT max(applied_at) FROM migration) AS is_of_this_schema
FROM mix
WHERE NOT is_foreign
ORDER BY as_of_batch_id, mix_id
