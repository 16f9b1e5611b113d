-- drawn_composition: what was drawn, by origin and generation.
SELECT origin, generation, generation_exact, count(*) AS documents, sum(drawn.bytes)::BIGINT AS bytes,
       sum(drawn.words)::BIGINT AS words,
       CASE WHEN count(tokens) = count(*) THEN sum(tokens)::BIGINT END AS tokens
FROM drawn
JOIN document USING (document_id)
GROUP BY origin, generation, generation_exact
ORDER BY origin, generation, generation_exact DESC
