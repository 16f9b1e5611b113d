-- merge_licenses: licences that were declared there of documents that are held or come, and that are not named here.
INSERT INTO license (license_id, name)
SELECT (SELECT coalesce(max(license_id), 0) FROM license) + row_number() OVER (ORDER BY name), name
FROM their_license
WHERE name NOT IN (SELECT name FROM license)
  AND license_id IN (
      SELECT license_id FROM their_declaration JOIN met_document ON met_document.theirs = their_declaration.document_id
  )
