-- held_out_documents: every document whose text is held out, or near to one that is.
SELECT document_id
FROM document
WHERE text_id IN (SELECT text_id FROM holdout UNION SELECT text_id FROM near_holdout)
