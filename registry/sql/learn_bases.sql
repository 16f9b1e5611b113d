-- learn_bases: what models were based on.
UPDATE model
SET base_model_id = base.model_id
FROM carried_models AS carried
JOIN model AS base ON base.digest = unhex(carried.base)
WHERE model.digest = unhex(carried.digest) AND model.base_model_id IS NULL
