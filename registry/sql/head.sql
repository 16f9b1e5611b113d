-- head: the digest of the newest batch.
SELECT digest FROM batch ORDER BY batch_id DESC LIMIT 1
