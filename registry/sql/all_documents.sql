-- all_documents: every document.
SELECT document_id FROM document
