-- human_ancestors: every human document among the ancestors.
SELECT lower(hex(document.digest)) AS digest, item, source.name AS source, license.name AS license, bytes
FROM document
LEFT JOIN source USING (source_id)
LEFT JOIN license USING (license_id)
WHERE origin = 'human' AND document_id IN (SELECT id FROM ancestor WHERE kind = 'document')
ORDER BY document.digest
