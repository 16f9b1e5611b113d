-- merge_tokenizers: tokenizers not held here; the newest counts, so they take their places before those that are.
INSERT INTO tokenizer (tokenizer_id, name, digest, content, batch_id)
SELECT (SELECT coalesce(min(tokenizer_id), 1) FROM tokenizer) - row_number() OVER (ORDER BY tokenizer_id DESC),
       name, digest, content, $batch_id
FROM their_tokenizer
WHERE digest NOT IN (SELECT digest FROM tokenizer)
