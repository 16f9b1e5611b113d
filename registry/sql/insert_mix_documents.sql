-- insert_mix_documents: record the manifest of a mix that was just drawn.
INSERT INTO mix_document (mix_id, position, document_id, stratum)
SELECT (SELECT mix_id FROM mix WHERE digest = $digest), position, document_id, stratum
FROM drawn
ORDER BY position
