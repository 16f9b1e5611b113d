-- uncounted_texts: texts that a tokenizer has not counted yet.
SELECT text_id, content
FROM text
WHERE content IS NOT NULL AND text_id NOT IN (
    SELECT text_id FROM length WHERE tokenizer_id = (SELECT tokenizer_id FROM asked)
)
