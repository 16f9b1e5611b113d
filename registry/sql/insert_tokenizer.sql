-- insert_tokenizer: keep a tokenizer whole, so that its counts can be made again.
INSERT INTO tokenizer (tokenizer_id, name, digest, content, batch_id)
SELECT coalesce(max(tokenizer_id), 0) + 1, $name, $digest, $content, $batch_id FROM tokenizer
