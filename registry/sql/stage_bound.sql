-- stage_bound: of each stratum and turn, in which of 1,024 steps of the seeded order its quota ends.
-- `room` is what the quota leaves to that step; a quota that ends in no step takes all.
CREATE OR REPLACE TEMP TABLE bound AS
WITH reach AS (
    SELECT stratum, turn, step, sum(size) OVER (PARTITION BY stratum, turn ORDER BY step) AS total
    FROM (SELECT stratum, turn, place >> 54 AS step, sum(size) AS size FROM chosen GROUP BY ALL)
)
SELECT stratum, turn, coalesce(min(step) FILTER (total > wanted), 1024) AS last_step,
       wanted - coalesce(max(total) FILTER (total <= wanted), 0) AS room
FROM quota
JOIN reach USING (stratum, turn)
GROUP BY stratum, turn, wanted
