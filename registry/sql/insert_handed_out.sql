-- insert_handed_out: note a file that texts went into.
INSERT INTO handed_out (kind, path, mix_id, batch_id) VALUES ($kind, $path, $mix_id, $batch_id)
