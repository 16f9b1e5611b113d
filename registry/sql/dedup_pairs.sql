-- dedup_pairs: near-duplicate pairs of texts by the origins of their documents, and texts that several documents have.
WITH origins AS (
    SELECT text_id, list(DISTINCT origin ORDER BY origin) AS origins, count(*) AS documents
    FROM deduped
    JOIN document USING (document_id, text_id)
    GROUP BY text_id
)
SELECT 'near' AS kind, least(one.origins, other.origins) AS origins, greatest(one.origins, other.origins) AS others,
       count(*) AS pairs, count(*) FILTER (jaccard >= $threshold) AS alike,
       CASE WHEN count(containment) > 0 THEN count(*) FILTER (containment >= $containment) END AS contained
FROM near
JOIN origins AS one ON one.text_id = left_id
JOIN origins AS other ON other.text_id = right_id
GROUP BY ALL
UNION ALL
SELECT 'exact', origins, origins, count(*), NULL, NULL FROM origins WHERE documents > 1 GROUP BY origins
ORDER BY kind, pairs DESC, origins, others
