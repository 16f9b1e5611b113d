-- merge_annotations: values of annotated fields that documents have none of here.
INSERT INTO annotation (document_id, field_id, batch_id, text, number, flag, moment)
SELECT document_id, field_id, $batch_id, text, number, flag, moment
FROM told_annotation
ANTI JOIN annotation USING (document_id, field_id)
WHERE field_id IS NOT NULL
