-- stage_near_conflict: near-duplicates whose origins differ, where they are known, or whose licences mean another thing.
CREATE OR REPLACE TEMP TABLE near_conflict AS
WITH said AS (
    SELECT text_id, list(DISTINCT origin) FILTER (origin <> 'unknown') AS origins,
           list(DISTINCT meaning) FILTER (meaning IS NOT NULL) AS meanings
    FROM document
    JOIN told_text USING (text_id)
    LEFT JOIN license_meaning USING (license_id)
    GROUP BY text_id
)
SELECT left_id, right_id, jaccard, containment, one.origins AS origins, other.origins AS their_origins,
       coalesce(len(list_distinct(list_concat(one.origins, other.origins))) > 1 AND len(one.origins) > 0
                AND len(other.origins) > 0, false) AS of_origin,
       coalesce(len(list_distinct(list_concat(one.meanings, other.meanings))) > 1 AND len(one.meanings) > 0
                AND len(other.meanings) > 0, false) AS of_license
FROM near
JOIN said AS one ON one.text_id = left_id
JOIN said AS other ON other.text_id = right_id
WHERE of_origin OR of_license
