-- content/tokenizer: what counts tokens.
SELECT batch_id, digest AS key, netstring(name) AS body FROM tokenizer JOIN asked USING (batch_id)
