-- insert_texts: texts that the registry does not hold, each once.
INSERT INTO text (text_id, digest, content) SELECT $newest + row, digest, content FROM arriving_text
