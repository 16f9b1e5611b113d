-- experiment_id: the local id of an experiment.
SELECT experiment_id FROM experiment WHERE digest = unhex($digest)
