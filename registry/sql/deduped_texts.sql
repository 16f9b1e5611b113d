-- deduped_texts: the texts among which near-duplicates are sought.
SELECT DISTINCT text_id FROM deduped
