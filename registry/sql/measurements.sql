-- measurements: all that an experiment measured.
SELECT arm, generation, repeat, metric, value
FROM measurement
JOIN experiment USING (experiment_id)
WHERE digest = unhex($digest)
ORDER BY arm, generation, repeat, metric
