-- chain: every link of the chain, oldest first.
SELECT batch_id, kind, made_at, tool_version, documents, content_digest, previous_digest, digest
FROM batch
ORDER BY batch_id, digest
