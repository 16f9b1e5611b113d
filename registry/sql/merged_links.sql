-- merged_links: the links of the chains that were merged into this one, chain by chain, oldest first.
SELECT registry, position, kind, made_at, tool_version, content_digest, previous_digest, digest
FROM merged_batch
ORDER BY registry, position, digest
