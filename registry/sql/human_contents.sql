-- human_contents: the texts of the first $most human documents, null for all, that nothing holds out, near ones with them, or withdraws.
SELECT content
FROM document
JOIN text USING (text_id)
WHERE origin = 'human' AND content IS NOT NULL AND text_id NOT IN (SELECT text_id FROM holdout)
  AND text_id NOT IN (SELECT text_id FROM near_holdout) AND document_id NOT IN (SELECT document_id FROM withdrawn)
ORDER BY document.digest
LIMIT $most
