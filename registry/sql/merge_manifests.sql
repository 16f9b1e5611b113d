-- merge_manifests: the documents of the mixes that came with them.
INSERT INTO mix_document (mix_id, position, document_id, stratum)
SELECT met_mix.mix_id, position, met_document.document_id, stratum
FROM their_mix_document AS theirs
JOIN met_mix ON met_mix.theirs = theirs.mix_id
JOIN met_document ON met_document.theirs = theirs.document_id
ORDER BY met_mix.mix_id, position
