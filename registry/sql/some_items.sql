-- some_items: a few ids, to show what they look like.
SELECT item FROM document ORDER BY document_id LIMIT 5
