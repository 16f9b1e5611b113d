-- drop_missing_edges: give up the parents that an export names and this registry does not hold.
DELETE FROM edge WHERE parents = 0 AND NOT required
