-- plain_rows: plain lines as rows that arrive, with what was measured of their texts.
SELECT $input::INTEGER AS input, number, format('line {:,}', number) AS place, item,
       document_digest(lower(hex(text_digest)), source, $run, item) AS digest, text_digest, bytes, words, tokens, origin,
       origin_declared, declared, generator,
       CASE WHEN $run IS NOT NULL THEN unhex($model)
            WHEN generator IS NOT NULL THEN foreign_model_digest(generator, declared) END AS model,
       CASE WHEN $run IS NULL AND generator IS NOT NULL THEN declared END AS model_generation,
       CASE WHEN $run IS NULL AND generator IS NOT NULL THEN declared IS NOT NULL END AS model_exact,
       unhex($run) AS run, NULL::BLOB AS trained_on, source, license, url, created_at,
       nullif('{' || array_to_string(list_filter(metadata, lambda pair: pair IS NOT NULL), ',') || '}', '{}') AS metadata
FROM plain
