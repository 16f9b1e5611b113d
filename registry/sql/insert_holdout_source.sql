-- insert_holdout_source: hold out what will come into a source.
INSERT INTO holdout_source (source_id, name, batch_id) VALUES ($source_id, $name, $batch_id)
