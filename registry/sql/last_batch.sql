-- last_batch: the newest batch, by its local id, and when it was made.
SELECT batch_id, made_at FROM batch ORDER BY batch_id DESC LIMIT 1
