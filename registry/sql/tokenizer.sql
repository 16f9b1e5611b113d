-- tokenizer: the tokenizer that token counts are made with.
SELECT tokenizer_id, name, digest, content
FROM tokenizer
WHERE $name IS NULL OR name = $name
ORDER BY tokenizer_id DESC
LIMIT 1
