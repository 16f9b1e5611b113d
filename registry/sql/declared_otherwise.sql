-- declared_otherwise: how many documents both registries hold, and declare in two ways.
SELECT count(*)
FROM met_document
JOIN their_document AS theirs ON theirs.document_id = met_document.theirs
JOIN document ON document.document_id = met_document.document_id
LEFT JOIN met_model ON met_model.theirs = theirs.model_id
LEFT JOIN met_license ON met_license.theirs = theirs.license_id
WHERE NOT is_new
  AND (theirs.origin, theirs.declared_generation, met_model.model_id, met_license.license_id)
      IS DISTINCT FROM (document.origin, document.declared_generation, document.model_id, document.license_id)
