-- chances: how probably each of what was chosen of a stratum is real, in the seeded order.
SELECT real_chance, declared_origin = 'unknown' AS is_unknown
FROM chosen
WHERE stratum = $stratum
ORDER BY place, digest
