-- merge_derivations: what derives from what, where both documents are held and the edge is not known.
INSERT INTO derivation (child_id, parent_id, relation, prefix_chars, batch_id)
SELECT child.document_id, parent.document_id, theirs.relation, theirs.prefix_chars, $batch_id
FROM their_derivation AS theirs
JOIN met_document AS child ON child.theirs = child_id
JOIN met_document AS parent ON parent.theirs = parent_id
ANTI JOIN derivation AS held ON held.child_id = child.document_id AND held.parent_id = parent.document_id
                            AND held.relation = theirs.relation
