-- near_conflict_counts: how many pairs of near-duplicates are in conflict, about what, and between which origins.
WITH told AS (
    SELECT of_origin, of_license, list_contains(origins, 'human') AS human, list_contains(origins, 'model') AS model,
           list_contains(origins, 'mixed') AS mixed, list_contains(their_origins, 'human') AS their_human,
           list_contains(their_origins, 'model') AS their_model, list_contains(their_origins, 'mixed') AS their_mixed
    FROM near_conflict
)
SELECT count(*) AS pairs, count(*) FILTER (of_origin) AS origin, count(*) FILTER (of_license) AS license,
       count(*) FILTER ((human AND their_model) OR (model AND their_human)) AS human_model,
       count(*) FILTER ((human AND their_mixed) OR (mixed AND their_human)) AS human_mixed,
       count(*) FILTER ((model AND their_mixed) OR (mixed AND their_model)) AS model_mixed
FROM told
