-- merge_annotated_fields: fields that sidecars brought there, and that have no such name here.
INSERT INTO annotated_field (field_id, name, kind, batch_id)
SELECT (SELECT coalesce(max(field_id), 0) FROM annotated_field) + row_number() OVER (ORDER BY name), name, kind, $batch_id
FROM their_annotated_field
WHERE name NOT IN (SELECT name FROM annotated_field)
