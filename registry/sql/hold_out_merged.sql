-- hold_out_merged: the texts of sources that are held out, by a rule of either registry, of now on held out like them.
INSERT INTO holdout (text_id, name, batch_id)
SELECT text_id, min(held.name), $batch_id
FROM document
JOIN holdout_source AS held USING (source_id)
WHERE text_id NOT IN (SELECT text_id FROM holdout)
GROUP BY text_id
