-- first_redeclared: how many documents are declared in another way, and the first of them.
SELECT count(*) OVER () AS conflicts, input, place, item,
       CASE WHEN origin_declared THEN new_origin END AS new_origin, new_generation, new_generator, new_license,
       old_origin, old_generation, old_generator, old_license
FROM redeclared
ORDER BY input, number
LIMIT 1
