-- named_alike: the documents that one line of `named` means.
SELECT lower(hex(document.digest)) AS digest, source.name AS source
FROM named_document
JOIN document USING (document_id)
LEFT JOIN source USING (source_id)
WHERE line = $line
ORDER BY digest
LIMIT 20
