-- exposed_mixes: the mixes that a text reached, and how much of each came of it.
WITH whole AS (
    SELECT mix_id, sum(documents)::BIGINT AS documents,
           sum(documents) FILTER (model_id IN (SELECT id FROM reached WHERE kind = 'model')) AS written
    FROM mix_composition
    WHERE NOT as_drawn
    GROUP BY mix_id
)
SELECT lower(hex(mix.digest)) AS mix, CASE WHEN times > 0 THEN 'direct' ELSE 'by descent' END AS how, reached.steps,
       coalesce(times, 0) AS times, coalesce(derived, 0) AS derived, coalesce(written, 0)::BIGINT AS written,
       coalesce(documents, 0) AS documents, via.name AS via
FROM reached
JOIN mix ON mix.mix_id = reached.id
LEFT JOIN directly ON directly.mix_id = mix.mix_id
LEFT JOIN whole ON whole.mix_id = mix.mix_id
LEFT JOIN model AS via ON via.model_id = reached.via_model_id
WHERE reached.kind = 'mix'
ORDER BY reached.steps, mix.digest
