-- content/picture: what models of experiments wrote, to look at.
SELECT asked.batch_id,
       encode(netstring(hex(experiment.digest)) || netstring(arm) || netstring(repeat::VARCHAR)
              || netstring(generation::VARCHAR)) AS key,
       netstring(svg) AS body
FROM picture
JOIN experiment USING (experiment_id)
JOIN asked ON asked.batch_id = picture.batch_id
