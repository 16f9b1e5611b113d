-- carried_missing: a mix that came along with documents which did not.
SELECT mix, count(*) AS missing
FROM carried_manifests
WHERE unhex(document) NOT IN (SELECT digest FROM document)
GROUP BY mix
ORDER BY mix
LIMIT 1
