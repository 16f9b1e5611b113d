-- count_annotating: how many values sidecars have of documents.
SELECT count(*) FROM annotating
