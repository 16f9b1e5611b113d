-- source_names: the names of all sources.
SELECT name FROM source ORDER BY name
