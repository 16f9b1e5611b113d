-- drop_not_matching: of the texts that were found, leave those of documents that a filter lets through.
DELETE FROM found
WHERE text_id NOT IN (SELECT text_id FROM document SEMI JOIN matching USING (document_id))
