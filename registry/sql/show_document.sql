-- show_document: everything about one document.
SELECT lower(hex(document.digest)) AS digest, item, source.name AS source, origin, document.generation,
       document.generation_exact, model.name AS generator, lower(hex(model.digest)) AS model,
       lower(hex(run.digest)) AS run, license.name AS license, document.url, created_at AS created, bytes, words,
       length.tokens, lower(hex(text.digest)) AS text_digest, metadata::VARCHAR AS metadata,
       (SELECT count(*) FROM document AS other WHERE other.text_id = document.text_id) AS documents_of_this_text,
       (SELECT count(*) FROM derivation WHERE parent_id = document.document_id) AS children,
       (SELECT count(DISTINCT mix_id) FROM mix_document WHERE mix_document.document_id = document.document_id) AS mixes,
       content AS text
FROM document
JOIN text USING (text_id)
LEFT JOIN source USING (source_id)
LEFT JOIN license USING (license_id)
LEFT JOIN model ON model.model_id = document.model_id
LEFT JOIN run ON run.run_id = document.run_id
LEFT JOIN length ON length.text_id = document.text_id
                AND length.tokenizer_id = (SELECT max(tokenizer_id) FROM tokenizer)
WHERE document_id = $document_id
