-- candidate_parts: the parts of the candidates, and how many pairs each has.
SELECT part, count(*) AS pairs FROM candidate GROUP BY part ORDER BY part
