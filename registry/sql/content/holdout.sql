-- content/holdout: texts that are held out.
SELECT asked.batch_id, digest AS key, netstring(name) AS body
FROM holdout
JOIN text USING (text_id)
JOIN asked ON asked.batch_id = holdout.batch_id
