-- verify_batches: batches that count other documents or bytes than they touched, or that name another run than theirs.
-- What a licence covered when it was withdrawn cannot be told later.
WITH counted AS (
    SELECT batch.batch_id, 'ingest' AS kind, count(document_id) AS documents, coalesce(sum(document.bytes), 0) AS bytes
    FROM batch
    LEFT JOIN document USING (batch_id)
    GROUP BY batch.batch_id
    UNION ALL
    SELECT as_of_batch_id + 1, 'mix', sum(documents), sum(bytes)
    FROM mix
    JOIN mix_composition USING (mix_id)
    WHERE NOT as_drawn
    GROUP BY as_of_batch_id
    UNION ALL
    SELECT batch_id, 'declare', count(*), 0 FROM declaration GROUP BY batch_id
    UNION ALL
    SELECT batch_id, 'attribute', count(*), 0 FROM attribution GROUP BY batch_id
    UNION ALL
    SELECT batch_id, 'annotate', count(DISTINCT digest), 0
    FROM (
        SELECT annotation.batch_id, digest FROM annotation JOIN document USING (document_id)
        UNION ALL
        SELECT batch_id, key FROM erased WHERE kind = 'annotation'
    )
    GROUP BY batch_id
    UNION ALL
    SELECT batch_id, 'detect', count(DISTINCT document_id), 0 FROM detection GROUP BY batch_id
    UNION ALL
    SELECT holdout.batch_id, 'hold out', count(*), sum(bytes)
    FROM holdout
    JOIN document USING (text_id)
    WHERE document.batch_id < holdout.batch_id
    GROUP BY holdout.batch_id
    UNION ALL
    SELECT withdrawal.batch_id, 'withdraw', count(*), sum(bytes)
    FROM document
    JOIN text USING (text_id)
    LEFT JOIN source USING (source_id)
    JOIN withdrawal ON value = CASE scope
        WHEN 'document' THEN lower(hex(document.digest)) WHEN 'text' THEN lower(hex(text.digest)) WHEN 'source' THEN source.name
    END
    WHERE document.batch_id < withdrawal.batch_id
    GROUP BY withdrawal.batch_id
), of_another_run AS (
    SELECT DISTINCT batch_id
    FROM document
    JOIN batch USING (batch_id)
    WHERE batch.run_id IS NOT NULL AND document.run_id IS DISTINCT FROM batch.run_id
), kinds AS (
    SELECT * REPLACE (CASE kind WHEN 'merge' THEN 'ingest' WHEN 'erase' THEN 'withdraw' ELSE kind END AS kind), kind AS called
    FROM batch
)
SELECT 'batch ' || lower(hex(digest))[1:12] || ' (' || called || ')' AS place, what, count(*) OVER () AS total
FROM (
    SELECT digest, called,
           CASE
               WHEN kinds.batch_id IN (SELECT batch_id FROM of_another_run) OR (called <> 'ingest' AND run_id IS NOT NULL)
                   THEN 'it names another run than its documents'
               WHEN (kinds.documents, kinds.bytes) IS DISTINCT FROM (coalesce(counted.documents, 0), coalesce(counted.bytes, 0))
                    AND NOT (kinds.kind = 'withdraw' AND counted.batch_id IS NULL)
                   THEN 'it counts ' || kinds.documents || ' documents and ' || kinds.bytes || ' bytes, but touched '
                        || coalesce(counted.documents, 0) || ' and ' || coalesce(counted.bytes, 0)
           END AS what
    FROM kinds
    LEFT JOIN counted USING (batch_id, kind)
)
WHERE what IS NOT NULL
ORDER BY place
LIMIT $most
