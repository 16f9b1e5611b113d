-- fingerprinted_texts: the texts that have a fingerprint.
SELECT text_id FROM fingerprint
