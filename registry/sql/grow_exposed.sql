-- grow_exposed: what was made of the documents that the last step of the walk found.
INSERT INTO exposed
SELECT DISTINCT child_id, $step + 1
FROM derivation
WHERE parent_id IN (SELECT document_id FROM exposed WHERE step = $step)
  AND child_id NOT IN (SELECT document_id FROM exposed)
