-- annotated_fields: the fields that sidecars brought, and how many batches gave them values.
SELECT field_id, name, kind, coalesce(batches, 0) AS batches
FROM annotated_field
LEFT JOIN (SELECT field_id, count(DISTINCT batch_id) AS batches FROM annotation GROUP BY field_id) AS counted
    USING (field_id)
ORDER BY name
