-- match_by_document: the documents that rows of sidecars are about, by the document's digest.
CREATE OR REPLACE TEMP TABLE sidecar_match AS
SELECT entry, document_id
FROM sidecar
JOIN document ON document.digest = unhex(sidecar.key)
LEFT JOIN source USING (source_id)
WHERE sidecar.source IS NULL OR sidecar.source = source.name
