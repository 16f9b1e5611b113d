-- content/merged_batch: the chains of registries that were merged.
SELECT batch_id, digest AS key,
       netstring(registry) || netstring(position::VARCHAR) || netstring(kind)
       || netstring(epoch_us(merged_batch.made_at)::VARCHAR) || netstring(tool_version)
       || netstring(documents::VARCHAR) || netstring(bytes::VARCHAR) || netstring(hex(content_digest))
       || netstring(hex(previous_digest)) AS body
FROM merged_batch
JOIN asked USING (batch_id)
