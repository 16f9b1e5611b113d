-- mix_ids: the documents of a mix, in its order, without their texts.
SELECT lower(hex(document.digest)) AS document, source.name AS source, item
FROM mix_document
JOIN document USING (document_id)
LEFT JOIN source USING (source_id)
WHERE mix_id = (SELECT mix_id FROM asked)
ORDER BY position
