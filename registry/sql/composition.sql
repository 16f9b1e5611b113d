-- composition: how much there is of what, in the registry or in one mix, by the dimensions asked for.
SELECT CASE WHEN $by_origin THEN origin END AS origin,
       CASE WHEN $by_generation THEN document.generation END AS generation,
       CASE WHEN $by_generation THEN document.generation_exact END AS generation_exact,
       CASE WHEN $by_source THEN source.name END AS source,
       CASE WHEN $by_license THEN license.name END AS license,
       CASE WHEN $by_generator THEN model.name END AS generator,
       sum(times)::BIGINT AS documents, sum(times * bytes)::BIGINT AS bytes, sum(times * words)::BIGINT AS words,
       CASE WHEN count(tokens) = count(*) THEN sum(times * tokens)::BIGINT END AS tokens
FROM (
    SELECT document_id, 1 AS times FROM document WHERE $mix_id IS NULL
    UNION ALL
    SELECT document_id, count(*) FROM mix_document WHERE mix_id = $mix_id GROUP BY document_id
) AS counted
JOIN document USING (document_id)
LEFT JOIN source USING (source_id)
LEFT JOIN license USING (license_id)
LEFT JOIN model ON model.model_id = document.model_id
LEFT JOIN length ON length.text_id = document.text_id
                AND length.tokenizer_id = (SELECT max(tokenizer_id) FROM tokenizer)
GROUP BY ALL
ORDER BY 1, 2, 3 DESC, 4, 5, 6
