-- models_by_name: all models of one name.
SELECT digest, is_foreign FROM model WHERE name = $name
