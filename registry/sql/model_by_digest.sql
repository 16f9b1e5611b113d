-- model_by_digest: the local id of a model.
SELECT model_id FROM model WHERE digest = $digest
