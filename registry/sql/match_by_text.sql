-- match_by_text: the documents that rows of sidecars are about, by the text's digest: all that hold the text.
CREATE OR REPLACE TEMP TABLE sidecar_match AS
SELECT entry, document_id
FROM sidecar
JOIN text ON text.digest = unhex(sidecar.key)
JOIN document USING (text_id)
LEFT JOIN source USING (source_id)
WHERE sidecar.source IS NULL OR sidecar.source = source.name
