-- content/annotation: what annotations say of documents.
SELECT asked.batch_id, document.digest AS key, annotation_body(name, text, number, flag, moment) AS body
FROM annotation
JOIN annotated_field USING (field_id)
JOIN document USING (document_id)
JOIN asked ON asked.batch_id = annotation.batch_id
