-- holding_documents: every document of the texts that are to be held out, and of those that are near to them.
SELECT document_id FROM document WHERE text_id IN (SELECT text_id FROM holding UNION SELECT text_id FROM nearest)
