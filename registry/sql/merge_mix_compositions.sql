-- merge_mix_compositions: what the mixes that came were made of when they were drawn.
INSERT INTO mix_composition (mix_id, as_drawn, origin, generation, generation_exact, source_id, license_id, model_id,
                             documents, bytes, words)
SELECT met_mix.mix_id, true, origin, generation, generation_exact, met_source.source_id, met_license.license_id,
       met_model.model_id, documents, bytes, words
FROM their_mix_composition AS theirs
JOIN met_mix ON met_mix.theirs = theirs.mix_id
LEFT JOIN met_source ON met_source.theirs = theirs.source_id
LEFT JOIN met_license ON met_license.theirs = theirs.license_id
LEFT JOIN met_model ON met_model.theirs = theirs.model_id
WHERE as_drawn AND theirs.mix_id IN (SELECT mix_id FROM their_mix_document)
