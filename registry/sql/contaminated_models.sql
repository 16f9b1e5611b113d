-- contaminated_models: the models that learnt from contaminated mixes, or are based on one that did.
WITH RECURSIVE touched AS (
    SELECT model_id
    FROM run
    WHERE kind = 'train' AND mix_id IN (SELECT id FROM descended WHERE kind = 'mix')
      AND ($mix_id IS NULL OR mix_id = $mix_id)
    UNION
    SELECT model.model_id FROM model JOIN touched ON base_model_id = touched.model_id
)
SELECT model.name AS model, lower(hex(model.digest)) AS digest, model.generation, model.generation_exact,
       lower(hex(mix.digest)) AS mix, coalesce(mix.mix_id IN (SELECT id FROM descended WHERE kind = 'mix'), false) AS learnt_from_it,
       base.name AS base
FROM model
LEFT JOIN model AS base ON base.model_id = model.base_model_id
LEFT JOIN run ON run.model_id = model.model_id AND run.kind = 'train'
LEFT JOIN mix ON mix.mix_id = run.mix_id
WHERE model.model_id IN (SELECT model_id FROM touched)
ORDER BY model.model_id
