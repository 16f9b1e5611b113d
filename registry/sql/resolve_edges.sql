-- resolve_edges: the parent that each reference means: of its own source first, in this act before the registry.
INSERT INTO edge
WITH reference AS (
    SELECT DISTINCT arriving_edge.reference, arriving.source,
           CASE WHEN regexp_full_match(reference, '[0-9a-f]{64}') THEN unhex(reference) END AS digest
    FROM arriving_edge
    JOIN arriving ON arriving.digest = child
), fits AS (
    SELECT reference, reference.source, arriving.digest AS parent, 0 AS tier
    FROM reference
    JOIN arriving USING (digest)
    UNION ALL
    SELECT reference, reference.source, document.digest, 0
    FROM reference
    JOIN document USING (digest)
    UNION ALL
    SELECT reference, reference.source, arriving.digest,
           CASE WHEN arriving.source IS NOT DISTINCT FROM reference.source THEN 1 ELSE 3 END
    FROM reference
    JOIN arriving ON arriving.item = reference
    UNION ALL
    SELECT reference, reference.source, document.digest,
           CASE WHEN source.name IS NOT DISTINCT FROM reference.source THEN 2 ELSE 3 END
    FROM reference
    JOIN document ON document.item = reference
    LEFT JOIN source USING (source_id)
), nearest AS (
    SELECT reference, source, parent
    FROM fits
    QUALIFY tier = min(tier) OVER (PARTITION BY reference, source)
), resolved AS (
    SELECT reference, source, min(parent) AS parent, count(DISTINCT parent) AS parents
    FROM nearest
    GROUP BY reference, source
)
SELECT DISTINCT child, resolved.parent, arriving_edge.reference, relation, prefix_chars, required,
       coalesce(parents, 0) AS parents
FROM arriving_edge
JOIN arriving ON arriving.digest = child
LEFT JOIN resolved ON resolved.reference = arriving_edge.reference
                  AND resolved.source IS NOT DISTINCT FROM arriving.source
