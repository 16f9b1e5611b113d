-- document_matching: documents that a user's id means, or else (the start of) a document's or a text's digest.
SELECT document_id, lower(hex(document.digest)) AS digest, source.name AS source
FROM document
LEFT JOIN source USING (source_id)
WHERE item = $wanted
UNION ALL
SELECT document_id, lower(hex(document.digest)), source.name
FROM document
JOIN text USING (text_id)
LEFT JOIN source USING (source_id)
WHERE length($wanted) >= 4
  AND (starts_with(lower(hex(document.digest)), lower($wanted)) OR starts_with(lower(hex(text.digest)), lower($wanted)))
  AND NOT EXISTS (FROM document WHERE item = $wanted)
ORDER BY digest
