-- match_by_id: the documents that rows of sidecars are about, by the user's id, and by the source where one is named.
CREATE OR REPLACE TEMP TABLE sidecar_match AS
SELECT entry, document_id
FROM sidecar
JOIN document ON document.item = sidecar.key
LEFT JOIN source USING (source_id)
WHERE sidecar.source IS NULL OR sidecar.source = source.name
