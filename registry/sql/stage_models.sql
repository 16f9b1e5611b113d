-- stage_models: the models that news names, with their generation as the registry or else the rows have it.
CREATE OR REPLACE TEMP TABLE named_model AS
SELECT named.digest, named.name, model.digest IS NOT NULL AS is_known,
       CASE WHEN is_known THEN model.generation ELSE named.generation END AS generation,
       CASE WHEN is_known THEN model.generation_exact ELSE named.exact END AS exact
FROM (
    SELECT model AS digest, any_value(generator) AS name, min(model_generation) AS generation,
           coalesce(bool_and(model_exact), false) AS exact
    FROM arriving
    JOIN news USING (digest)
    WHERE model IS NOT NULL
    GROUP BY model
) AS named
LEFT JOIN model ON model.digest = named.digest
