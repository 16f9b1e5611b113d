-- insert_counted: token counts of texts that the registry held already.
INSERT INTO length SELECT text_id, $tokenizer_id, tokens FROM counted
