-- any_short: whether a cut left less than a quota, though there are documents behind it.
SELECT bool_or(coalesce(size, 0) < wanted)
FROM quota
LEFT JOIN (SELECT stratum, turn, sum(size) AS size FROM chosen GROUP BY stratum, turn) USING (stratum, turn)
WHERE cut < 18446744073709551615
