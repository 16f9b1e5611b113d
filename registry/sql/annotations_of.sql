-- annotations_of: what sidecars say of a document, for each field the value in force.
SELECT name AS field,
       arg_max(coalesce(text, number::VARCHAR, flag::VARCHAR, moment::VARCHAR), annotation.batch_id) AS value,
       annotated_field.kind, max(made_at) AS annotated_at
FROM annotation
JOIN annotated_field USING (field_id)
JOIN batch ON batch.batch_id = annotation.batch_id
WHERE document_id = $document_id
GROUP BY name, annotated_field.kind
ORDER BY name
