-- derive_arriving: the generation of each arriving document, from its model and its parents as known so far.
UPDATE arriving
SET lineage = derived.lineage, lineage_exact = derived.lineage_exact,
    generation = derived_generation(origin, declared, derived.lineage, derived.lineage_exact),
    generation_exact = derived_exact(origin, declared, derived.lineage, derived.lineage_exact)
FROM (
    SELECT arriving.digest, greatest(written.generation, inherited.generation) AS lineage,
           coalesce(written.generation IS NOT NULL AND written.exact, false)
           AND coalesce(inherited.exact, true) AS lineage_exact
    FROM arriving
    JOIN news ON news.digest = arriving.digest
    LEFT JOIN named_model AS written ON written.digest = arriving.model
    LEFT JOIN (
        SELECT child, max(CASE WHEN is_news THEN fresh.generation ELSE held.generation END) AS generation,
               bool_and(CASE WHEN is_news THEN fresh.generation_exact ELSE held.generation_exact END) AS exact
        FROM (
            SELECT child, parent FROM edge WHERE relation IN ('edit', 'translation', 'paraphrase')
            UNION
            SELECT known.digest, document.digest
            FROM news
            JOIN known ON known.digest = news.digest
            JOIN derivation ON derivation.child_id = known.document_id
            JOIN document ON document.document_id = derivation.parent_id
            WHERE relation IN ('edit', 'translation', 'paraphrase')
        ) AS inheriting
        LEFT JOIN (
            SELECT digest, generation, generation_exact, true AS is_news FROM arriving JOIN news USING (digest)
        ) AS fresh ON fresh.digest = parent
        LEFT JOIN document AS held ON held.digest = parent
        GROUP BY child
    ) AS inherited ON inherited.child = arriving.digest
) AS derived
WHERE derived.digest = arriving.digest
  AND ((arriving.lineage, arriving.lineage_exact) IS DISTINCT FROM (derived.lineage, derived.lineage_exact)
       OR arriving.generation IS DISTINCT FROM
          derived_generation(origin, declared, derived.lineage, derived.lineage_exact)
       OR arriving.generation_exact IS DISTINCT FROM derived_exact(origin, declared, derived.lineage, derived.lineage_exact))
