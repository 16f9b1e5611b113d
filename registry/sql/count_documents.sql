-- count_documents: how many documents there are.
SELECT count(*) FROM document
