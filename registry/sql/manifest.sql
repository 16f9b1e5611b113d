-- manifest: the documents of a mix, in its order.
SELECT position, document.digest
FROM mix_document
JOIN document USING (document_id)
WHERE mix_id = (SELECT mix_id FROM asked)
ORDER BY position
