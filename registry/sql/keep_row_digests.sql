-- keep_row_digests: the hashes of the rows that an erasure changes or deletes, so that the chain still holds.
INSERT INTO erased (batch_id, kind, key, row_digest, erased_in)
SELECT document.batch_id, 'document', document.digest,
       lower(hex(row_digest('document', document.digest,
                            document_body(text.digest, source.name, run.digest, item, document.url, created_at, bytes,
                                          words, metadata)))),
       $batch_id
FROM document
JOIN text USING (text_id)
LEFT JOIN source USING (source_id)
LEFT JOIN run USING (run_id)
WHERE metadata IS NOT NULL AND document.text_id IN (SELECT text_id FROM erasing)
UNION ALL
SELECT annotation.batch_id, 'annotation', document.digest,
       lower(hex(row_digest('annotation', document.digest, annotation_body(name, text, number, flag, moment)))), $batch_id
FROM annotation
JOIN annotated_field USING (field_id)
JOIN document USING (document_id)
WHERE text_id IN (SELECT text_id FROM erasing)
