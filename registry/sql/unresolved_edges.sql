-- unresolved_edges: arriving rows that name a parent which is not there, or is several, or is itself.
SELECT input, number, place, reference, CASE WHEN child = parent THEN -1 ELSE parents END AS parents
FROM edge
JOIN arriving ON arriving.digest = child
WHERE (parents <> 1 AND required) OR child = parent
ORDER BY input, number
