-- ancestor_models: the models behind an export, each with what its digest is made of.
SELECT model.name, lower(hex(model.digest)) AS digest, lower(hex(base.digest)) AS base,
       lower(hex(mix.digest)) AS mix, training.spec::VARCHAR AS spec, training.seed, model.path,
       CASE WHEN model.is_foreign AND model.generation_exact THEN model.generation END AS declared,
       model.generation, model.generation_exact
FROM model
LEFT JOIN model AS base ON base.model_id = model.base_model_id
LEFT JOIN run AS training ON training.model_id = model.model_id AND training.kind = 'train'
LEFT JOIN mix ON mix.mix_id = training.mix_id
WHERE model.model_id IN (SELECT id FROM ancestor WHERE kind = 'model')
ORDER BY model.digest
