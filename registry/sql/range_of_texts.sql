-- range_of_texts: the first and the last text there is.
SELECT coalesce(min(text_id), 0), coalesce(max(text_id), -1) FROM text
