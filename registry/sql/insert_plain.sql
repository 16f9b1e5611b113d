-- insert_plain: stage plain lines, with what was measured of their texts.
INSERT INTO arriving
SELECT $input, number, format('line {:,}', number), item, document_digest(lower(hex(text_digest)), source, $run, item),
       text_digest, bytes, words, tokens, origin, origin_declared, declared, generator,
       CASE WHEN $run IS NOT NULL THEN unhex($model)
            WHEN generator IS NOT NULL THEN foreign_model_digest(generator, declared) END,
       CASE WHEN $run IS NULL AND generator IS NOT NULL THEN declared END,
       CASE WHEN $run IS NULL AND generator IS NOT NULL THEN declared IS NOT NULL END,
       unhex($run), NULL, source, license, url, created_at,
       nullif('{' || array_to_string(list_filter(metadata, lambda pair: pair IS NOT NULL), ',') || '}', '{}'),
       NULL, false, NULL, false
FROM plain
