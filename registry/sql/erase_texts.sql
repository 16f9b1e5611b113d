-- erase_texts: forget the contents of texts; their digests stay.
UPDATE text SET content = NULL WHERE content IS NOT NULL AND text_id IN (SELECT text_id FROM erasing)
