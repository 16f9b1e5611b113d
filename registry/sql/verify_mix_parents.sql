-- verify_mix_parents: mixes whose documents were made of other models' texts than it is kept of them.
WITH RECURSIVE forebear(mix_id, document_id, steps) AS (
    SELECT mix_id, parent_id, 1 FROM mix_document JOIN derivation ON child_id = document_id
    UNION
    SELECT mix_id, parent_id, steps + 1 FROM forebear JOIN derivation ON child_id = document_id
), recounted AS (
    SELECT mix_id, model_id, min(steps) AS steps
    FROM forebear
    JOIN document USING (document_id)
    WHERE model_id IS NOT NULL
    GROUP BY mix_id, model_id
), wrong AS (
    SELECT DISTINCT mix_id
    FROM ((FROM recounted EXCEPT ALL FROM mix_parent) UNION ALL (FROM mix_parent EXCEPT ALL FROM recounted))
)
SELECT 'mix ' || coalesce(lower(hex(digest))[1:12], mix_id::VARCHAR) AS place,
       'the models that its documents were made of are not what their derivations say' AS what, count(*) OVER () AS total
FROM wrong
LEFT JOIN mix USING (mix_id)
ORDER BY place
LIMIT $most
