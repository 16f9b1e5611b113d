-- stage_keeping: the documents that no withdrawal covers, of the texts that are to be erased.
CREATE OR REPLACE TEMP TABLE keeping AS
SELECT document_id, text_id
FROM document
WHERE text_id IN (SELECT text_id FROM withdrawing) AND document_id NOT IN (SELECT document_id FROM withdrawn)
