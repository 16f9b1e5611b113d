-- holding_documents: every document of the texts that are to be held out.
SELECT document_id FROM document WHERE text_id IN (SELECT text_id FROM holding)
