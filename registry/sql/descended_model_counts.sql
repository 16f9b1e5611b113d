-- descended_model_counts: the models that a walk met, what each learnt from, and how many documents it wrote.
WITH met AS (
    SELECT id AS model_id, step FROM descended WHERE kind = 'model'
), wrote AS (
    SELECT model_id, count(*) AS documents FROM document WHERE model_id IN (SELECT model_id FROM met) GROUP BY model_id
)
SELECT model.name AS model, lower(hex(model.digest)) AS digest, model.generation, model.generation_exact, step AS steps,
       lower(hex(mix.digest)) AS mix, base.name AS base, model.path, coalesce(wrote.documents, 0) AS wrote
FROM met
JOIN model USING (model_id)
LEFT JOIN model AS base ON base.model_id = model.base_model_id
LEFT JOIN run ON run.model_id = model.model_id AND run.kind = 'train'
LEFT JOIN mix ON mix.mix_id = run.mix_id
LEFT JOIN wrote ON wrote.model_id = model.model_id
ORDER BY steps, model.name, digest
