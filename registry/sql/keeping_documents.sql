-- keeping_documents: documents that keep a text from being erased.
SELECT lower(hex(document.digest)) AS digest, item, source.name AS source, lower(hex(text.digest)) AS text
FROM keeping
JOIN document USING (document_id)
JOIN text ON text.text_id = document.text_id
LEFT JOIN source USING (source_id)
ORDER BY text.digest, document.digest
LIMIT $most
