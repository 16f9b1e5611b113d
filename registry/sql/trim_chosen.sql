-- trim_chosen: keep of what was chosen the longest run of documents that is not above the quota.
DELETE FROM chosen
USING bound
WHERE chosen.stratum = bound.stratum AND chosen.turn = bound.turn AND place >> 54 >= last_step AND (
    place >> 54 > last_step
    OR (document_id, chosen.turn) IN (
        SELECT (document_id, turn)
        FROM chosen
        JOIN bound USING (stratum, turn)
        WHERE place >> 54 = last_step
        QUALIFY sum(size) OVER (PARTITION BY stratum, turn ORDER BY place, digest ROWS UNBOUNDED PRECEDING) > room
    )
)
