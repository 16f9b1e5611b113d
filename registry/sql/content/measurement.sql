-- content/measurement: what experiments measured.
SELECT asked.batch_id,
       encode(netstring(hex(experiment.digest)) || netstring(arm) || netstring(repeat::VARCHAR)
              || netstring(generation::VARCHAR) || netstring(metric)) AS key,
       netstring(value::VARCHAR) AS body
FROM measurement
JOIN experiment USING (experiment_id)
JOIN asked ON asked.batch_id = measurement.batch_id
