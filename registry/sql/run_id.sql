-- run_id: the local id of a run.
SELECT run_id FROM run WHERE digest = $digest
