-- row_digests: one hash for each row of `content`, all of one kind, in an order that no local id decides.
WITH gone AS (
    SELECT batch_id, key, unhex(row_digest) AS row_digest FROM erased JOIN asked USING (batch_id) WHERE kind = of_kind
)
SELECT batch_id, row_digest
FROM (
    SELECT batch_id, key, row_digest(of_kind, key, body) AS row_digest
    FROM content
    JOIN asked USING (batch_id)
    ANTI JOIN gone USING (batch_id, key)
    UNION ALL
    SELECT batch_id, key, row_digest FROM gone
)
ORDER BY batch_id, key, row_digest
