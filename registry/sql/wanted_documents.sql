-- wanted_documents: which documents of the other registry are new here, with all ids that they get.
SELECT met_document.theirs, met_document.document_id, met_text.text_id, met_source.source_id, met_run.run_id,
       met_model.model_id, met_license.license_id
FROM met_document
JOIN their_document AS theirs ON theirs.document_id = met_document.theirs
JOIN met_text ON met_text.theirs = theirs.text_id
LEFT JOIN met_source ON met_source.theirs = theirs.source_id
LEFT JOIN met_run ON met_run.theirs = theirs.run_id
LEFT JOIN met_model ON met_model.theirs = theirs.model_id
LEFT JOIN met_license ON met_license.theirs = theirs.license_id
WHERE met_document.is_new
