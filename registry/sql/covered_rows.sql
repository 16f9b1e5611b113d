-- covered_rows: how many arriving rows a withdrawal covers, of documents that the registry does not hold.
SELECT coalesce(sum(times), 0)::BIGINT FROM covered WHERE digest NOT IN (SELECT digest FROM known)
