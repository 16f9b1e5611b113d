-- verify_generations: documents and models whose generation does not follow from their lineage.
WITH inherited AS (
    SELECT child_id, max(parent.generation) AS generation, bool_and(parent.generation_exact) AS exact
    FROM derivation
    JOIN document AS parent ON parent.document_id = parent_id
    WHERE relation IN ('edit', 'translation', 'paraphrase')
    GROUP BY child_id
), told AS (
    SELECT document.digest, item, origin, declared_generation AS declared, document.generation, document.generation_exact,
           greatest(model.generation, inherited.generation) AS lineage,
           coalesce(model.generation IS NOT NULL AND model.generation_exact, false)
           AND coalesce(inherited.exact, true) AS lineage_exact
    FROM document
    LEFT JOIN model ON model.model_id = document.model_id
    LEFT JOIN inherited ON inherited.child_id = document.document_id
), taught AS (
    SELECT run.model_id, max(document.generation) AS generation,
           bool_and(document.generation IS NOT NULL AND document.generation_exact) AS exact
    FROM run
    JOIN mix_document ON mix_document.mix_id = run.mix_id
    JOIN document USING (document_id)
    WHERE run.kind = 'train'
    GROUP BY run.model_id
), wrong AS (
    SELECT 'document ' || lower(hex(digest))[1:12] || ' (' || item || ')' AS place
    FROM told
    WHERE (generation, generation_exact) IS DISTINCT FROM (
        derived_generation(origin, declared, lineage, lineage_exact), derived_exact(origin, declared, lineage, lineage_exact)
    )
    UNION ALL
    SELECT 'model ' || model.name
    FROM model
    LEFT JOIN taught USING (model_id)
    LEFT JOIN model AS base ON base.model_id = model.base_model_id
    WHERE (NOT model.is_foreign OR (model.base_model_id IS NOT NULL AND NOT model.generation_exact))
      AND (model.generation, model.generation_exact) IS DISTINCT FROM (
          greatest(CASE WHEN NOT model.is_foreign THEN 1 + coalesce(taught.generation, 0) END, base.generation),
          NOT model.is_foreign AND coalesce(taught.exact, false)
          AND (model.base_model_id IS NULL OR (base.generation IS NOT NULL AND base.generation_exact))
      )
)
SELECT place, 'its generation is not what its lineage makes it' AS what, count(*) OVER () AS total
FROM wrong
ORDER BY place
LIMIT $most
