-- insert_watermark_key: what may be known of a key, unless it is known.
INSERT INTO watermark_key
SELECT $key, $scheme, $parameters, $tokenizer, $batch_id
WHERE NOT EXISTS (SELECT 1 FROM watermark_key WHERE key_id = $key)
