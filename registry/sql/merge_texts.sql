-- merge_texts: texts that come from another registry.
INSERT INTO text (text_id, digest, content) SELECT text_id, digest, content FROM incoming
