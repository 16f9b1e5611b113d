-- show_document: everything about one document.
WITH asked AS (
    SELECT * FROM document WHERE document_id = $document_id
)
SELECT lower(hex(asked.digest)) AS digest, item, source.name AS source, origin, asked.generation,
       asked.generation_exact, model.name AS generator, lower(hex(model.digest)) AS model,
       lower(hex(run.digest)) AS run, license.name AS license, asked.url, created_at AS created, bytes, words,
       length.tokens, lower(hex(text.digest)) AS text_digest, metadata::VARCHAR AS metadata,
       (SELECT count(*) FROM document JOIN asked USING (text_id)) AS documents_of_this_text,
       (SELECT count(*) FROM derivation WHERE parent_id = $document_id) AS children,
       (SELECT count(DISTINCT mix_id) FROM mix_document WHERE document_id = $document_id) AS mixes,
       content AS text
FROM asked
JOIN text USING (text_id)
LEFT JOIN source USING (source_id)
LEFT JOIN license USING (license_id)
LEFT JOIN model ON model.model_id = asked.model_id
LEFT JOIN run ON run.run_id = asked.run_id
LEFT JOIN (SELECT length.text_id, tokens FROM length JOIN asked USING (text_id)
           WHERE tokenizer_id = (SELECT max(tokenizer_id) FROM tokenizer)) AS length
       ON length.text_id = asked.text_id
