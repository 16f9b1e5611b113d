-- learn_manifests: the manifests of mixes that were known by their digest alone.
INSERT INTO mix_document (mix_id, position, document_id, stratum)
SELECT mix.mix_id, position, document.document_id, carried.stratum
FROM carried_manifests AS carried
JOIN mix ON mix.digest = unhex(carried.mix) AND mix.is_foreign
JOIN document ON document.digest = unhex(carried.document)
ORDER BY mix.mix_id, position
