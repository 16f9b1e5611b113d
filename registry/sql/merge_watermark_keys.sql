-- merge_watermark_keys: keys that were looked for there, and not here.
INSERT INTO watermark_key (key_id, scheme, parameters, tokenizer_digest, batch_id)
SELECT key_id, scheme, parameters, tokenizer_digest, $batch_id
FROM their_watermark_key
WHERE key_id NOT IN (SELECT key_id FROM watermark_key)
