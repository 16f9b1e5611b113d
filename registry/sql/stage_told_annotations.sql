-- stage_told_annotations: the values in force there of annotated fields, by the ids that are used here.
CREATE OR REPLACE TEMP TABLE told_annotation AS
SELECT met_document.document_id, met_field.field_id, newest.*
FROM (
    SELECT document_id AS theirs, field_id AS their_field,
           unnest(max({'batch_id': batch_id, 'text': text, 'number': number, 'flag': flag, 'moment': moment}))
    FROM their_annotation
    GROUP BY document_id, field_id
) AS newest
JOIN met_document USING (theirs)
LEFT JOIN met_field ON met_field.theirs = their_field
