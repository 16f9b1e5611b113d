-- drop_annotated: leave out what is in force already, and count it.
DELETE FROM annotating
USING annotated
WHERE annotated.document_id = annotating.document_id
  AND annotated.field = annotating.field
  AND (annotated.text, annotated.number, annotated.flag, annotated.moment)
      IS NOT DISTINCT FROM (annotating.text, annotating.number, annotating.flag, annotating.moment)
