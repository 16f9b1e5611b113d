-- learn_models: what models were based on and trained on that were known by their digest alone.
UPDATE model
SET base_model_id = base.model_id, path = carried.path, is_foreign = carried.mix IS NULL
FROM carried_models AS carried
LEFT JOIN model AS base ON base.digest = unhex(carried.base)
WHERE model.digest = unhex(carried.digest) AND model.is_foreign AND (carried.base IS NOT NULL OR carried.mix IS NOT NULL)
