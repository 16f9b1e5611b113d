-- newer_texts: the texts that have a fingerprint and came after one.
SELECT text_id FROM fingerprint WHERE text_id > $newest
