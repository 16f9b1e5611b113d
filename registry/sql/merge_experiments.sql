-- merge_experiments: experiments of the other registry that are not known here.
INSERT INTO experiment (experiment_id, digest, name, spec, batch_id)
SELECT (SELECT coalesce(max(experiment_id), 0) FROM experiment) + row_number() OVER (ORDER BY digest), digest, name,
       spec, $batch_id
FROM their_experiment
WHERE digest NOT IN (SELECT digest FROM experiment)
