-- list_experiments: experiments, newest first, and how much of each there is.
SELECT lower(hex(experiment.digest)) AS digest, experiment.name, batch.made_at, count(DISTINCT arm) AS arms,
       count(DISTINCT (arm, repeat)) AS repeats, max(generation) AS generations, experiment.spec::VARCHAR AS spec
FROM experiment
JOIN batch USING (batch_id)
LEFT JOIN measurement USING (experiment_id)
GROUP BY experiment_id, experiment.digest, experiment.name, batch.made_at, experiment.spec::VARCHAR
ORDER BY experiment_id DESC
LIMIT $limit
