-- learn_manifests: the documents of the mixes that were held without them.
INSERT INTO mix_document (mix_id, position, document_id, stratum)
SELECT mix.mix_id, position, document.document_id, carried.stratum
FROM carried_manifests AS carried
JOIN mix ON mix.digest = unhex(carried.mix)
JOIN document ON document.digest = unhex(carried.document)
WHERE mix.mix_id NOT IN (SELECT mix_id FROM mix_document)
ORDER BY mix.mix_id, position
