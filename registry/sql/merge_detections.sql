-- merge_detections: what documents score there, in force, by keys that were not looked for in them here.
INSERT INTO detection (document_id, key_id, scored, score, z, p, first_char, last_char, batch_id)
SELECT met_document.document_id, theirs.key_id, theirs.scored, theirs.score, theirs.z, theirs.p, theirs.first_char,
       theirs.last_char, $batch_id
FROM their_detection AS theirs
JOIN met_document ON met_document.theirs = theirs.document_id
ANTI JOIN detection AS held ON held.document_id = met_document.document_id AND held.key_id = theirs.key_id
QUALIFY theirs.batch_id = max(theirs.batch_id) OVER (PARTITION BY theirs.document_id, theirs.key_id)
