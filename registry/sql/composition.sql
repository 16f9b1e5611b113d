-- composition: how much there is of what, by name, from counts that are grouped by id.
SELECT origin, grouped.generation, grouped.generation_exact, source.name AS source, license.name AS license,
       model.name AS generator,
       grouped.* EXCLUDE (origin, generation, generation_exact, source_id, license_id, model_id, documents, bytes, words,
                          tokens, "rows", counted),
       sum(documents)::BIGINT AS documents, sum(bytes)::BIGINT AS bytes,
       sum(words)::BIGINT AS words, CASE WHEN sum(counted) = sum("rows") THEN sum(tokens)::BIGINT END AS tokens
FROM grouped
LEFT JOIN source USING (source_id)
LEFT JOIN license USING (license_id)
LEFT JOIN model USING (model_id)
GROUP BY ALL
HAVING sum(documents) > 0
ORDER BY 1, 2, 3 DESC, 4, 5, 6
