-- tokenizers: every tokenizer that was ever counted with, oldest first.
SELECT tokenizer_id, name, digest, content FROM tokenizer ORDER BY tokenizer_id
