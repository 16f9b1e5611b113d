-- measured_repeats: the arms and repeats of which there are measurements, and up to which generation.
SELECT arm, repeat, max(generation)
FROM measurement
JOIN experiment USING (experiment_id)
WHERE digest = unhex($digest)
GROUP BY arm, repeat
