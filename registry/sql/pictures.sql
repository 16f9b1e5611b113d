-- pictures: all that models of an experiment wrote, to look at.
SELECT arm, generation, repeat, svg
FROM picture
JOIN experiment USING (experiment_id)
WHERE digest = unhex($digest)
ORDER BY arm, generation, repeat
