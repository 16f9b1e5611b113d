-- held_out_documents: every document whose text is held out.
SELECT document_id FROM document WHERE text_id IN (SELECT text_id FROM holdout)
