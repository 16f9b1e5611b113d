-- documents_of_digest: documents whose digest lies between these two, and so do its first 64 bits, their rank.
SELECT document_id, lower(hex(document.digest)) AS digest, source.name AS source, document.text_id
FROM document
LEFT JOIN source USING (source_id)
WHERE rank BETWEEN $low_rank AND $high_rank AND document.digest BETWEEN $low AND $high
ORDER BY digest
