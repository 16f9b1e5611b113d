-- stage_chosen: of each stratum and turn, the documents up to the step in which its quota ends.
-- `room` is what the quota leaves to that last step; a quota that ends in no step takes all.
CREATE OR REPLACE TEMP TABLE chosen AS
WITH reach AS (
    SELECT stratum, step, sum(size) OVER (PARTITION BY stratum ORDER BY step) AS total
    FROM stock
    WHERE stratum IS NOT NULL
), bound AS (
    SELECT stratum, turn, coalesce(min(step) FILTER (total > wanted), 1024) AS last_step,
           wanted - coalesce(max(total) FILTER (total <= wanted), 0) AS room
    FROM quota
    JOIN reach USING (stratum)
    GROUP BY stratum, turn, wanted
)
SELECT document_id, digest, rank, text_id, declared_origin, generation, generation_exact, bytes, words,
       placed.stratum, turn, size, place, CASE WHEN step = last_step THEN room END AS room
FROM (SELECT *, place >> 54 AS step FROM placed WHERE excluded IS NULL) AS placed
JOIN bound USING (stratum)
WHERE step <= last_step
