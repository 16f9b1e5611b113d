-- wanted_contents: texts of the other registry without content here, that a document brings which no withdrawal covers.
SELECT DISTINCT met_text.theirs, met_text.text_id
FROM met_text
JOIN their_document ON their_document.text_id = met_text.theirs
JOIN met_document ON met_document.theirs = their_document.document_id
WHERE met_document.is_new AND met_text.text_id IN (SELECT text_id FROM text WHERE content IS NULL)
