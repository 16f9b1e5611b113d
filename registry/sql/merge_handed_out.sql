-- merge_handed_out: the files that the other registry handed out.
INSERT INTO handed_out (kind, path, mix_id, batch_id)
SELECT DISTINCT theirs.kind, theirs.path, met_mix.mix_id, $batch_id
FROM their_handed_out AS theirs
LEFT JOIN met_mix ON met_mix.theirs = theirs.mix_id
WHERE (theirs.kind, theirs.path, coalesce(met_mix.mix_id, 0)) NOT IN (SELECT (kind, path, coalesce(mix_id, 0)) FROM handed_out)
