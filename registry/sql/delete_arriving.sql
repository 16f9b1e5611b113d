-- delete_arriving: leave the staged rows out that are `bad`.
DELETE FROM arriving WHERE (input, number) IN (SELECT (input, number) FROM bad)
