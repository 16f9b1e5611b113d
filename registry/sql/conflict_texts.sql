-- conflict_texts: the first texts in conflict, those about origin before those about licences alone.
SELECT conflict.text_id, lower(hex(digest)) AS text, content[1:$most] AS excerpt, of_origin, of_license
FROM conflict
JOIN text USING (text_id)
ORDER BY NOT of_origin, digest
LIMIT $limit
