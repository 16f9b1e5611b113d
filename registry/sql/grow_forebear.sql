-- grow_forebear: what the documents found at this step were made of, by one derivation more.
INSERT INTO forebear
SELECT DISTINCT mix_id, parent_id, $steps + 1
FROM forebear AS found
JOIN derivation ON child_id = document_id
ANTI JOIN forebear AS held ON held.mix_id = found.mix_id AND held.document_id = parent_id
WHERE found.steps = $steps
