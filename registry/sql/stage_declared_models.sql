-- stage_declared_models: the models that documents would be of, as `insert_foreign_models` wants them.
CREATE OR REPLACE TEMP TABLE named_model AS
SELECT named.digest, named.name, model.digest IS NOT NULL AS is_known, named.generation,
       named.generation IS NOT NULL AS exact
FROM (
    SELECT model AS digest, any_value(generator) AS name, any_value(generation) AS generation
    FROM declaring
    WHERE model IS NOT NULL
    GROUP BY model
) AS named
LEFT JOIN model ON model.digest = named.digest
