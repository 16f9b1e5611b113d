-- measured_repeats: the arms and repeats of which there are measurements.
SELECT DISTINCT arm, repeat FROM measurement JOIN experiment USING (experiment_id) WHERE digest = unhex($digest)
