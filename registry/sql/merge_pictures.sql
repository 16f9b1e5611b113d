-- merge_pictures: what models of experiments wrote there, and is not held here.
INSERT INTO picture (experiment_id, arm, repeat, generation, svg, batch_id)
SELECT experiment.experiment_id, arm, repeat, generation, svg, $batch_id
FROM their_picture
JOIN their_experiment ON their_experiment.experiment_id = their_picture.experiment_id
JOIN experiment ON experiment.digest = their_experiment.digest
ANTI JOIN picture AS held
    ON held.experiment_id = experiment.experiment_id AND held.arm = their_picture.arm
   AND held.repeat = their_picture.repeat AND held.generation = their_picture.generation
