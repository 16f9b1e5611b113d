-- count_arriving: how many rows are staged.
SELECT count(*) FROM arriving
