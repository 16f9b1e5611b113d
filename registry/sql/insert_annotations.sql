-- insert_annotations: append the values that are new.
INSERT INTO annotation (document_id, field_id, batch_id, text, number, flag, moment)
SELECT document_id, field_id, $batch_id, text, number, flag, moment
FROM annotating
JOIN sidecar_field USING (field)
ORDER BY field_id, document_id
