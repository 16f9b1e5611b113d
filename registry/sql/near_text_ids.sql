-- near_text_ids: the texts among which near-duplicates are sought, those asked for or all.
SELECT text_id FROM near_text WHERE is_asked OR NOT $asked ORDER BY text_id
