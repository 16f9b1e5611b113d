-- hold_out_arrived: the texts that a batch brought into a source that is held out, of now on held out like it.
INSERT INTO holdout (text_id, name, batch_id)
SELECT DISTINCT text_id, held.name, $batch_id
FROM document
JOIN holdout_source AS held USING (source_id)
WHERE document.batch_id = $batch_id AND text_id NOT IN (SELECT text_id FROM holdout)
