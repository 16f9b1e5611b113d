-- insert_holdout: hold texts out under a name.
INSERT INTO holdout (text_id, name, batch_id) SELECT text_id, $name, $batch_id FROM holding ORDER BY text_id
