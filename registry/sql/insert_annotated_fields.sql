-- insert_annotated_fields: fields that get values for the first time.
INSERT INTO annotated_field (field_id, name, kind, batch_id)
SELECT field_id, name, kind, $batch_id FROM sidecar_field WHERE is_new
