-- drop_duplicates: keep of each document in this act the row that came first.
DELETE FROM arriving
WHERE rowid IN (
    SELECT rowid
    FROM (SELECT rowid, row_number() OVER (PARTITION BY digest ORDER BY input, number) AS nth FROM arriving)
    WHERE nth > 1
)
