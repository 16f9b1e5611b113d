-- derive_documents: the generation of each document, where its model or its parents now say another.
UPDATE document
SET generation = derived.generation, generation_exact = derived.exact
FROM (
    SELECT document_id, derived_generation(origin, declared, lineage, lineage_exact) AS generation,
           derived_exact(origin, declared, lineage, lineage_exact) AS exact
    FROM (
        SELECT document.document_id, document.origin, declared_generation AS declared,
               greatest(model.generation, inherited.generation) AS lineage,
               coalesce(model.generation IS NOT NULL AND model.generation_exact, false)
               AND coalesce(inherited.exact, true) AS lineage_exact
        FROM document
        LEFT JOIN model ON model.model_id = document.model_id
        LEFT JOIN (
            SELECT child_id, max(parent.generation) AS generation, bool_and(parent.generation_exact) AS exact
            FROM derivation
            JOIN document AS parent ON parent.document_id = parent_id
            WHERE relation IN ('edit', 'translation', 'paraphrase')
            GROUP BY child_id
        ) AS inherited ON inherited.child_id = document.document_id
    )
) AS derived
WHERE derived.document_id = document.document_id
  AND (document.generation, document.generation_exact) IS DISTINCT FROM (derived.generation, derived.exact)
