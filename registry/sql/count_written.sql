-- count_written: how many documents a model of a name has written.
SELECT count(*) FROM document WHERE model_id IN (SELECT model_id FROM model WHERE name = $name)
