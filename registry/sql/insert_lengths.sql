-- insert_lengths: the token counts that were made while the arriving texts were in hand.
INSERT INTO length (text_id, tokenizer_id, tokens)
SELECT DISTINCT text.text_id, $tokenizer_id, arriving.tokens
FROM arriving
JOIN text ON text.digest = arriving.text_digest
WHERE arriving.tokens IS NOT NULL
  AND text.text_id NOT IN (SELECT text_id FROM length WHERE tokenizer_id = $tokenizer_id)
