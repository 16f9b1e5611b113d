-- insert_experiment: an experiment that is not known yet.
INSERT INTO experiment (experiment_id, digest, name, spec, batch_id)
SELECT (SELECT coalesce(max(experiment_id), 0) FROM experiment) + 1, unhex($digest), $name, $spec, $batch_id
