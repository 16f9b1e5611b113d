-- trim_chosen: keep of each last step the longest run of documents that is not above what the quota left to it.
DELETE FROM chosen
WHERE room IS NOT NULL AND (document_id, turn) IN (
    SELECT (document_id, turn)
    FROM chosen
    WHERE room IS NOT NULL
    QUALIFY sum(size) OVER (PARTITION BY stratum, turn ORDER BY place, digest ROWS UNBOUNDED PRECEDING) > room
)
