-- matching_texts: the texts of the documents that a filter lets through.
SELECT DISTINCT text_id FROM document SEMI JOIN matching USING (document_id)
