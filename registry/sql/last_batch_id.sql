-- last_batch_id: the newest batch, by its local id.
SELECT max(batch_id) FROM batch
