-- erase_annotations: forget what was annotated to documents of erased texts.
DELETE FROM annotation
WHERE document_id IN (SELECT document_id FROM document WHERE text_id IN (SELECT text_id FROM erasing))
