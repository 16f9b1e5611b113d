-- delete_covered: leave the staged rows out that a withdrawal covers; a document that is known stays known.
DELETE FROM arriving
WHERE digest IN (SELECT digest FROM covered) AND digest NOT IN (SELECT digest FROM known)
