-- derive_models: the generation of each model that was recorded, from its training mix and its base model.
-- What a foreign model learnt from is not known: without a declared generation, its base's is a lower bound.
UPDATE model
SET generation = derived.generation, generation_exact = derived.exact
FROM (
    SELECT model.model_id,
           greatest(CASE WHEN NOT model.is_foreign THEN 1 + coalesce(taught.generation, 0) END, base.generation)
               AS generation,
           NOT model.is_foreign AND coalesce(taught.exact, false)
           AND (model.base_model_id IS NULL OR (base.generation IS NOT NULL AND base.generation_exact)) AS exact
    FROM model
    LEFT JOIN (
        SELECT run.model_id, max(document.generation) AS generation,
               bool_and(document.generation IS NOT NULL AND document.generation_exact) AS exact
        FROM run
        JOIN mix_document ON mix_document.mix_id = run.mix_id
        JOIN document USING (document_id)
        WHERE run.kind = 'train' AND ($model_id IS NULL OR run.model_id = $model_id)
        GROUP BY run.model_id
    ) AS taught ON taught.model_id = model.model_id
    LEFT JOIN model AS base ON base.model_id = model.base_model_id
    WHERE ($model_id IS NULL OR model.model_id = $model_id)
      AND (NOT model.is_foreign OR (model.base_model_id IS NOT NULL AND NOT model.generation_exact))
) AS derived
WHERE derived.model_id = model.model_id
  AND (model.generation, model.generation_exact) IS DISTINCT FROM (derived.generation, derived.exact)
