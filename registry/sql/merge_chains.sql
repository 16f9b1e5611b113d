-- merge_chains: the chain of the other registry and those it merged, link by link; no link twice, and none of our own.
INSERT INTO merged_batch (registry, position, kind, made_at, tool_version, documents, bytes, content_digest,
                          previous_digest, digest, batch_id)
SELECT registry, position, kind, made_at, tool_version, documents, bytes, content_digest, previous_digest, digest,
       $batch_id
FROM (
    SELECT $theirs AS registry, row_number() OVER (ORDER BY batch_id) AS position, kind, made_at, tool_version,
           documents, bytes, content_digest, previous_digest, digest
    FROM their_batch
    UNION ALL
    SELECT registry, position, kind, made_at, tool_version, documents, bytes, content_digest, previous_digest, digest
    FROM their_merged_batch
)
WHERE (registry, digest) NOT IN (SELECT (registry, digest) FROM merged_batch)
  AND (registry <> $ours OR digest NOT IN (SELECT digest FROM batch))
