-- drawn_counts: what was chosen, by stratum, and by origin and generation.
SELECT stratum, declared_origin AS origin, generation, generation_exact, count(*) AS documents,
       sum(bytes)::BIGINT AS bytes, sum(words)::BIGINT AS words,
       CASE WHEN count(length.tokens) = count(*) THEN sum(length.tokens)::BIGINT END AS tokens
FROM chosen
CROSS JOIN policy
LEFT JOIN length ON length.text_id = chosen.text_id AND length.tokenizer_id = policy.tokenizer_id
GROUP BY GROUPING SETS ((stratum), (declared_origin, generation, generation_exact))
ORDER BY origin, generation, generation_exact DESC
