-- count_marked: how many documents of a batch are marked by a key.
SELECT count(*)
FROM (
    SELECT document_id
    FROM detection
    WHERE batch_id = $batch_id
    GROUP BY document_id
    HAVING min(p) <= $rate / count(p)
)
