-- list_documents: documents, newest first.
SELECT lower(hex(document.digest)) AS digest, item, source.name AS source, origin, document.generation,
       document.generation_exact, model.name AS generator, license.name AS license, bytes, words
FROM document
LEFT JOIN source USING (source_id)
LEFT JOIN license USING (license_id)
LEFT JOIN model ON model.model_id = document.model_id
ORDER BY document_id DESC
LIMIT $limit
