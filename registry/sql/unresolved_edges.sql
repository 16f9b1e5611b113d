-- unresolved_edges: arriving rows that name a parent which is not there, or is several, or is itself, or was left out.
SELECT input, number, reference, CASE WHEN child = parent THEN -1 WHEN parents = 1 THEN -2 ELSE parents END AS parents
FROM edge
JOIN arriving ON arriving.digest = child
WHERE parents <> 1
   OR child = parent
   OR (parent NOT IN (SELECT digest FROM arriving) AND parent NOT IN (SELECT digest FROM document))
ORDER BY input, number
