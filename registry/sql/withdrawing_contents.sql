-- withdrawing_contents: the contents of texts that are being withdrawn.
SELECT content FROM text WHERE content IS NOT NULL AND text_id IN (SELECT text_id FROM withdrawing) LIMIT $most
