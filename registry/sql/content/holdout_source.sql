-- content/holdout_source: sources of which all that arrives is held out.
SELECT asked.batch_id, encode(source.name) AS key, netstring(held.name) AS body
FROM holdout_source AS held
JOIN source USING (source_id)
JOIN asked ON asked.batch_id = held.batch_id
