-- past_lengths: the token counts of the tokenizers that there were after a batch.
SELECT * FROM length WHERE tokenizer_id IN (SELECT tokenizer_id FROM tokenizer WHERE batch_id <= (SELECT batch_id FROM asked))
