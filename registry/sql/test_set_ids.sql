-- test_set_ids: the documents of the texts held out under a name, in the same order, without their texts.
SELECT lower(hex(document.digest)) AS document, source.name AS source, item
FROM test_set
JOIN document USING (document_id)
JOIN text USING (text_id)
LEFT JOIN source USING (source_id)
ORDER BY text.digest
