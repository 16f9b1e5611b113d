-- count_uncounted_texts: how many texts a tokenizer has not counted yet.
SELECT count(*)
FROM text
WHERE content IS NOT NULL AND text_id NOT IN (SELECT text_id FROM length WHERE tokenizer_id = $tokenizer_id)
