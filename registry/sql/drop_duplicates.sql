-- drop_duplicates: keep of each document in this act the row that came first.
DELETE FROM arriving
WHERE rowid NOT IN (SELECT arg_min(rowid, (input, number)) FROM arriving GROUP BY digest)
