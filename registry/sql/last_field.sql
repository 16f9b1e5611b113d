-- last_field: the highest local id of an annotated field.
SELECT coalesce(max(field_id), 0) FROM annotated_field
