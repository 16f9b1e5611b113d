-- stage_annotated: what is in force of the documents and fields that sidecars are about.
CREATE OR REPLACE TEMP TABLE annotated AS
SELECT annotation.document_id, field, arg_max(annotation.text, annotation.batch_id) AS text,
       arg_max(annotation.number, annotation.batch_id) AS number, arg_max(annotation.flag, annotation.batch_id) AS flag,
       arg_max(annotation.moment, annotation.batch_id) AS moment
FROM annotation
JOIN sidecar_field USING (field_id)
JOIN annotating USING (document_id, field)
GROUP BY annotation.document_id, field
