-- stale_models: the models trained on some mixes, those based on them in turn, and their generations then and now.
WITH RECURSIVE trained AS (
    SELECT model_id, mix_id FROM run WHERE kind = 'train' AND mix_id IS NOT NULL
), taught AS (
    SELECT trained.model_id, 1 + coalesce(max(mix_composition.generation), 0) AS generation,
           bool_and(mix_composition.generation IS NOT NULL AND generation_exact) AS exact
    FROM trained
    JOIN mix_composition USING (mix_id)
    WHERE as_drawn
    GROUP BY trained.model_id
), then_known AS (   -- of each model the generation as the mixes tell it that it and its bases learnt from, as drawn
    SELECT model.model_id,
           CASE WHEN is_foreign THEN model.generation ELSE coalesce(taught.generation, 1) END AS generation,
           CASE WHEN is_foreign THEN generation_exact ELSE coalesce(taught.exact, false) END AS exact
    FROM model
    LEFT JOIN taught USING (model_id)
    WHERE base_model_id IS NULL
    UNION ALL
    SELECT model.model_id,
           CASE WHEN is_foreign AND generation_exact THEN model.generation
                ELSE greatest(CASE WHEN NOT is_foreign THEN coalesce(taught.generation, 1) END, base.generation) END,
           CASE WHEN is_foreign THEN generation_exact
                ELSE coalesce(taught.exact, false) AND base.generation IS NOT NULL AND base.exact END
    FROM model
    JOIN then_known AS base ON base.model_id = base_model_id
    LEFT JOIN taught ON taught.model_id = model.model_id
), reached AS (
    SELECT model_id, mix_id, NULL::BIGINT AS base_model_id FROM trained JOIN stale USING (mix_id)
    UNION
    SELECT model.model_id, NULL, model.base_model_id
    FROM model
    JOIN reached ON reached.model_id = model.base_model_id
)
SELECT model.name AS model, lower(hex(model.digest)) AS digest, max(lower(hex(mix.digest))) AS mix, max(base.name) AS base,
       then_known.generation AS generation_before, then_known.exact AS exact_before,
       model.generation AS generation_after, model.generation_exact AS exact_after
FROM reached
JOIN model USING (model_id)
JOIN then_known USING (model_id)
LEFT JOIN mix USING (mix_id)
LEFT JOIN model AS base ON base.model_id = reached.base_model_id
GROUP BY ALL
ORDER BY generation_before, 1, 2
