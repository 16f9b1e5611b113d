-- matching_contents: the first documents by their digests that a filter lets through, of nobody or of another model.
-- What something holds out or withdraws is left out.
SELECT lower(hex(document.digest)) AS document, content
FROM document
SEMI JOIN matching USING (document_id)
JOIN text USING (text_id)
WHERE content IS NOT NULL AND text_id NOT IN (SELECT text_id FROM holdout)
  AND text_id NOT IN (SELECT text_id FROM near_holdout) AND document_id NOT IN (SELECT document_id FROM withdrawn)
  AND model_id IS DISTINCT FROM (SELECT model_id FROM model WHERE digest = $writer)
ORDER BY document.digest
LIMIT $most
