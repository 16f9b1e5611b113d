-- grow_made_of: what the documents found so far derive from.
INSERT INTO made_of
SELECT DISTINCT parent_id
FROM derivation
WHERE child_id IN (SELECT document_id FROM made_of)
  AND parent_id NOT IN (SELECT document_id FROM made_of)
