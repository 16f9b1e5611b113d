-- content/document: what a document is, beside its text: by its own digest.
SELECT asked.batch_id, document.digest AS key,
       document_body(text.digest, source.name, run.digest, item, document.url, created_at, bytes, words, metadata)
           AS body
FROM document
JOIN text USING (text_id)
LEFT JOIN source USING (source_id)
LEFT JOIN run USING (run_id)
JOIN asked ON asked.batch_id = document.batch_id
