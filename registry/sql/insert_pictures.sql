-- insert_pictures: what models of an experiment wrote, to look at, and was not held yet.
INSERT INTO picture (experiment_id, arm, repeat, generation, svg, batch_id)
SELECT $experiment_id, arm, repeat, generation, svg, $batch_id
FROM pictured
ANTI JOIN (SELECT * FROM picture WHERE experiment_id = $experiment_id) AS held USING (arm, repeat, generation)
