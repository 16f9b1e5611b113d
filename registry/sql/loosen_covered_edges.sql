-- loosen_covered_edges: a parent that an export names and a withdrawal left out is one that is not there.
UPDATE edge
SET parents = 0
WHERE NOT required AND parent IN (SELECT digest FROM covered) AND parent NOT IN (SELECT digest FROM known)
