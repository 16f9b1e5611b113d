-- stage_met_documents: the other registry's documents by the ids they have here; a new one's id follows all that are held.
CREATE OR REPLACE TEMP TABLE met_document AS
SELECT theirs.document_id AS theirs, document.document_id IS NULL AS is_new,
       coalesce(document.document_id, (SELECT coalesce(max(document_id), 0) FROM document) + theirs.document_id)
           AS document_id
FROM their_document AS theirs
LEFT JOIN document ON document.digest = theirs.digest
