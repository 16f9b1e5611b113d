-- merge_lengths: token counts of texts that were not counted here, by tokenizers that are the same.
INSERT INTO length (text_id, tokenizer_id, tokens)
SELECT met_text.text_id, met_tokenizer.tokenizer_id, theirs.tokens
FROM their_length AS theirs
JOIN met_text ON met_text.theirs = theirs.text_id
JOIN met_tokenizer ON met_tokenizer.theirs = theirs.tokenizer_id
ANTI JOIN length AS held ON held.text_id = met_text.text_id AND held.tokenizer_id = met_tokenizer.tokenizer_id
