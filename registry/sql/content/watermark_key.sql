-- content/watermark_key: what may be known of keys that were looked for.
SELECT batch_id, unhex(sha256(key_id)) AS key,
       netstring(key_id) || netstring(scheme) || netstring(parameters::VARCHAR) || netstring(hex(tokenizer_digest)) AS body
FROM watermark_key
JOIN asked USING (batch_id)
