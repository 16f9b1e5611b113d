-- documents_of_text: documents that hold a text whose digest lies between these two.
SELECT document_id, lower(hex(document.digest)) AS digest, source.name AS source, document.text_id
FROM text
JOIN document USING (text_id)
LEFT JOIN source USING (source_id)
WHERE text.digest BETWEEN $low AND $high
ORDER BY digest
