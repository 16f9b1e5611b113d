-- past_texts: the texts that documents had after a batch, without what they say.
SELECT text_id, digest, NULL::VARCHAR AS content
FROM text
WHERE text_id IN (SELECT text_id FROM document WHERE batch_id <= (SELECT batch_id FROM asked))
