-- list_models: models, newest first.
SELECT lower(hex(model.digest)) AS digest, model.name, model.generation, model.generation_exact, model.is_foreign,
       base.name AS base, lower(hex(mix.digest)) AS mix, model.path,
       (SELECT count(*) FROM document WHERE document.model_id = model.model_id) AS documents
FROM model
LEFT JOIN model AS base ON base.model_id = model.base_model_id
LEFT JOIN run ON run.model_id = model.model_id AND run.kind = 'train'
LEFT JOIN mix ON mix.mix_id = run.mix_id
ORDER BY model.model_id DESC
LIMIT $limit
