-- exposed_models: the models that a text reached, by the mix that they learnt from or by their base.
SELECT model.name AS model, lower(hex(model.digest)) AS digest, model.generation, model.generation_exact,
       CASE WHEN directly.times > 0 THEN 'direct' ELSE 'by descent' END AS how, reached.steps,
       coalesce(directly.times, 0) AS times, lower(hex(mix.digest)) AS mix, base.name AS base
FROM reached
JOIN model ON model.model_id = reached.id
LEFT JOIN model AS base ON base.model_id = model.base_model_id
LEFT JOIN run ON run.model_id = model.model_id AND run.kind = 'train'
LEFT JOIN mix ON mix.mix_id = run.mix_id
LEFT JOIN directly ON directly.mix_id = run.mix_id
WHERE reached.kind = 'model'
ORDER BY reached.steps, model.name, model.digest
