-- parents_left_out: how many derivations of the other registry lead to or from a document that was left out.
SELECT count(*)
FROM their_derivation
WHERE child_id NOT IN (SELECT theirs FROM met_document) OR parent_id NOT IN (SELECT theirs FROM met_document)
