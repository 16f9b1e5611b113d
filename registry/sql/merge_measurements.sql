-- merge_measurements: what experiments measured there, and is not known here.
INSERT INTO measurement (experiment_id, arm, repeat, generation, metric, value, batch_id)
SELECT experiment.experiment_id, arm, repeat, generation, metric, value, $batch_id
FROM their_measurement
JOIN their_experiment ON their_experiment.experiment_id = their_measurement.experiment_id
JOIN experiment ON experiment.digest = their_experiment.digest
ANTI JOIN measurement AS held
    ON held.experiment_id = experiment.experiment_id AND held.arm = their_measurement.arm
   AND held.repeat = their_measurement.repeat AND held.generation = their_measurement.generation
   AND held.metric = their_measurement.metric
