-- derive_arriving: the generation of each arriving document, from its model and its parents as known so far.
UPDATE arriving
SET lineage = derived.lineage, lineage_exact = derived.lineage_exact,
    generation = derived_generation(origin, declared, derived.lineage, derived.lineage_exact),
    generation_exact = derived_exact(origin, declared, derived.lineage_exact)
FROM (
    SELECT arriving.digest, greatest(model.generation, inherited.generation) AS lineage,
           coalesce(model.generation IS NOT NULL AND model.generation_exact, false)
           AND coalesce(inherited.exact, true) AS lineage_exact
    FROM arriving
    LEFT JOIN model ON model.digest = arriving.model
    LEFT JOIN (
        SELECT child, max(coalesce(held.generation, fresh.generation)) AS generation,
               bool_and(coalesce(held.generation_exact, fresh.generation_exact)) AS exact
        FROM edge
        LEFT JOIN arriving AS fresh ON fresh.digest = parent
        LEFT JOIN document AS held ON held.digest = parent
        WHERE relation IN ('edit', 'translation', 'paraphrase')
        GROUP BY child
    ) AS inherited ON inherited.child = arriving.digest
) AS derived
WHERE derived.digest = arriving.digest
  AND ((arriving.lineage, arriving.lineage_exact) IS DISTINCT FROM (derived.lineage, derived.lineage_exact)
       OR arriving.generation IS DISTINCT FROM
          derived_generation(origin, declared, derived.lineage, derived.lineage_exact)
       OR arriving.generation_exact IS DISTINCT FROM derived_exact(origin, declared, derived.lineage_exact))
