-- verify_compositions: mixes whose composition is not what their documents add up to.
WITH recounted AS (
    SELECT mix_id, origin, generation, generation_exact, source_id, license_id, model_id, count(*) AS documents,
           sum(bytes) AS bytes, sum(words) AS words
    FROM mix_document
    JOIN document USING (document_id)
    GROUP BY ALL
), held AS (
    SELECT * EXCLUDE (as_drawn) FROM mix_composition WHERE NOT as_drawn
), wrong AS (
    SELECT mix_id, 'what it is made of now is not what its documents add up to' AS what
    FROM ((FROM recounted EXCEPT ALL FROM held) UNION ALL (FROM held EXCEPT ALL FROM recounted))
    UNION
    SELECT mix_id, 'what it was made of when drawn adds up to another size'
    FROM (
        SELECT mix_id, sum(documents) AS documents, sum(bytes) AS bytes, sum(words) AS words
        FROM mix_composition
        WHERE as_drawn
        GROUP BY mix_id
    ) AS drawn
    FULL JOIN (
        SELECT mix_id, sum(documents) AS documents, sum(bytes) AS bytes, sum(words) AS words FROM recounted GROUP BY mix_id
    ) AS now USING (mix_id)
    WHERE (drawn.documents, drawn.bytes, drawn.words) IS DISTINCT FROM (now.documents, now.bytes, now.words)
)
SELECT 'mix ' || coalesce(lower(hex(mix.digest))[1:12], mix_id::VARCHAR) AS place, what, count(*) OVER () AS total
FROM wrong
LEFT JOIN mix USING (mix_id)
ORDER BY place, what
LIMIT $most
