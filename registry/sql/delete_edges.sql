-- delete_edges: leave out what rows that were left out derive from.
DELETE FROM edge WHERE child NOT IN (SELECT digest FROM arriving)
