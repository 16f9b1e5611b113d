-- described_otherwise: how many documents both registries hold, and the other tells another URL, time or metadata of.
SELECT count(*)
FROM met_document
JOIN their_document AS theirs ON theirs.document_id = met_document.theirs
JOIN document ON document.document_id = met_document.document_id
WHERE NOT is_new
  AND (theirs.url <> hash(document.url)
       OR theirs.created_at <> hash(document.created_at)
       OR theirs.metadata <> hash(document.metadata::VARCHAR))
  AND document.text_id NOT IN (SELECT text_id FROM text WHERE content IS NULL)   -- what was erased stays so
