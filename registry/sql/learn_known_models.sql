-- learn_known_models: what came to be known of foreign models; those of a mix are foreign no longer.
UPDATE model
SET path = coalesce(model.path, carried.path), is_foreign = carried.mix IS NULL,
    generation = CASE WHEN carried.mix IS NULL THEN declared ELSE generation END,
    generation_exact = CASE WHEN carried.mix IS NULL THEN declared IS NOT NULL ELSE generation_exact END
FROM (
    SELECT carried_models.* RENAME (generation AS told, generation_exact AS told_exact), base.model_id AS base_model_id
    FROM carried_models
    LEFT JOIN model AS base ON base.digest = unhex(base)
) AS carried
WHERE model.digest = unhex(carried.digest) AND model.is_foreign AND NOT carried.is_stub
  AND (carried.mix IS NOT NULL
       OR (carried.base IS NOT NULL AND model.base_model_id IS NULL)
       OR model.generation_exact <> (declared IS NOT NULL)
       OR declared <> generation)
