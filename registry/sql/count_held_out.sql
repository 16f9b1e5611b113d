-- count_held_out: how many documents of a batch hold a text that is held out.
SELECT count(*) FROM document WHERE batch_id = $batch_id AND text_id IN (SELECT text_id FROM holdout)
