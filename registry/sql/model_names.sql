-- model_names: the names of all models.
SELECT DISTINCT name FROM model ORDER BY name
