-- verify_lengths: every text that a tokenizer counted, with what it counted.
SELECT 'text ' || lower(hex(digest))[1:12] AS place, content, tokens
FROM length
JOIN text USING (text_id)
WHERE tokenizer_id = (SELECT tokenizer_id FROM asked) AND content IS NOT NULL
