-- newest_text: the newest text, by its local id; 0 where there is none.
SELECT coalesce(max(text_id), 0) FROM text
