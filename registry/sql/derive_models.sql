-- derive_models: the generation of each recorded model, from its training mix and its base model.
UPDATE model
SET generation = derived.generation, generation_exact = derived.exact
FROM (
    SELECT model.model_id, greatest(1 + coalesce(taught.generation, 0), base.generation) AS generation,
           taught.exact AND (model.base_model_id IS NULL
                             OR (base.generation IS NOT NULL AND base.generation_exact)) AS exact
    FROM model
    JOIN (
        SELECT run.model_id, max(document.generation) AS generation,
               bool_and(document.generation IS NOT NULL AND document.generation_exact) AS exact
        FROM run
        JOIN mix ON mix.mix_id = run.mix_id
        JOIN mix_document ON mix_document.mix_id = mix.mix_id
        JOIN document USING (document_id)
        WHERE run.kind = 'train' AND NOT mix.is_foreign AND ($model_id IS NULL OR run.model_id = $model_id)
        GROUP BY run.model_id
    ) AS taught ON taught.model_id = model.model_id
    LEFT JOIN model AS base ON base.model_id = model.base_model_id
) AS derived
WHERE derived.model_id = model.model_id
  AND (model.generation, model.generation_exact) IS DISTINCT FROM (derived.generation, derived.exact)
