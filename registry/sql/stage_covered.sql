-- stage_covered: the arriving documents that a withdrawal covers, and how many rows each has.
CREATE OR REPLACE TEMP TABLE covered AS
WITH rule AS (
    SELECT scope, value, CASE WHEN scope IN ('text', 'document') THEN unhex(value) END AS digest FROM withdrawal
)
SELECT digest, count(*) AS times
FROM arriving
WHERE digest IN (SELECT digest FROM rule WHERE scope = 'document')
   OR text_digest IN (SELECT digest FROM rule WHERE scope = 'text')
   OR source IN (SELECT value FROM rule WHERE scope = 'source')
   OR license IN (SELECT value FROM rule WHERE scope = 'license')
GROUP BY digest
