-- documents_named: documents that have this id in their source, or in their file.
SELECT document_id, lower(hex(document.digest)) AS digest, source.name AS source, document.text_id
FROM document
LEFT JOIN source USING (source_id)
WHERE item = $wanted
ORDER BY digest
