-- count_missing_edges: how many parents an export names that this registry does not hold.
SELECT count(*) FROM edge WHERE parents = 0 AND NOT required
