-- conflict_counts: how many texts are in conflict, and about what.
SELECT count(*) AS texts, count(*) FILTER (of_origin) AS origin, count(*) FILTER (of_license) AS license,
       count(*) FILTER (human AND model) AS human_model, count(*) FILTER (human AND mixed) AS human_mixed,
       count(*) FILTER (model AND mixed) AS model_mixed
FROM conflict
