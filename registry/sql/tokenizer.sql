-- tokenizer: the tokenizer that token counts are made with, the newest.
SELECT tokenizer_id, name, digest, content FROM tokenizer ORDER BY tokenizer_id DESC LIMIT 1
