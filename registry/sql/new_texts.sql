-- new_texts: the digests of arriving texts that the registry does not hold.
SELECT DISTINCT text_digest AS digest FROM arriving ANTI JOIN text ON text.digest = text_digest
