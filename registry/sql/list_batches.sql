-- list_batches: the chain of batches, newest first.
SELECT lower(hex(batch.digest)) AS digest, batch.kind, made_at, tool_version, documents, bytes,
       lower(hex(run.digest)) AS run, lower(hex(previous_digest)) AS previous
FROM batch
LEFT JOIN run USING (run_id)
ORDER BY batch.batch_id DESC
LIMIT $limit
