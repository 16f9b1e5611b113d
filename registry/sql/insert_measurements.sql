-- insert_measurements: what an experiment measured, and was not known yet.
INSERT INTO measurement (experiment_id, arm, repeat, generation, metric, value, batch_id)
SELECT $experiment_id, arm, repeat, generation, metric, value, $batch_id
FROM measured
ANTI JOIN (SELECT * FROM measurement WHERE experiment_id = $experiment_id) AS held
    USING (arm, repeat, generation, metric)
