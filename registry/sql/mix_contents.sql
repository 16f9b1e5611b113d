-- mix_contents: the texts of a mix, in its order, each with the digest of its document; erased ones are not there.
SELECT document.digest AS document, text.content AS text
FROM mix_document
JOIN document USING (document_id)
JOIN text ON text.text_id = document.text_id
WHERE mix_id = (SELECT mix_id FROM asked) AND text.content IS NOT NULL
ORDER BY position
