-- annotated_otherwise: how many values differ from those in force here, or are of another kind than the field's here.
SELECT count(*)
FROM told_annotation AS told
LEFT JOIN (
    SELECT document_id, field_id,
           max({'batch_id': batch_id, 'text': text, 'number': number, 'flag': flag, 'moment': moment}) AS newest
    FROM annotation
    GROUP BY document_id, field_id
) AS held USING (document_id, field_id)
WHERE told.field_id IS NULL
   OR (held.document_id IS NOT NULL
       AND (newest.text, newest.number, newest.flag, newest.moment)
           IS DISTINCT FROM (told.text, told.number, told.flag, told.moment))
