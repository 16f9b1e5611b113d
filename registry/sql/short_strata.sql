-- short_strata: how many strata hold too few documents below their cut.
SELECT count(*)
FROM (
    SELECT quota.stratum, quota.turn
    FROM quota
    LEFT JOIN ranked ON ranked.stratum = quota.stratum AND ranked.turn = quota.turn
    GROUP BY quota.stratum, quota.turn, quota.wanted
    HAVING coalesce(max(total), 0) < quota.wanted
)
