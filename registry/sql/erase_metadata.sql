-- erase_metadata: forget the columns that documents of erased texts brought along.
UPDATE document SET metadata = NULL WHERE metadata IS NOT NULL AND text_id IN (SELECT text_id FROM erasing)
