-- any_short: whether a cut left no more than a quota, though there are documents behind it.
-- What weighs nothing may stand behind what fills the quota, and belongs to it.
SELECT bool_or(coalesce(size, 0) <= wanted)
FROM quota
LEFT JOIN (SELECT stratum, turn, sum(size) AS size FROM chosen GROUP BY stratum, turn) USING (stratum, turn)
WHERE cut < 18446744073709551615
