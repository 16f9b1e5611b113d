-- redeclare_documents: put the newest declaration in force.
UPDATE document
SET origin = latest.origin, model_id = latest.model_id, license_id = latest.license_id
FROM declaration AS latest
WHERE latest.document_id = document.document_id AND latest.batch_id = $batch_id
