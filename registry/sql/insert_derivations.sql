-- insert_derivations: the edges of this act, which the registry does not hold.
INSERT INTO derivation (child_id, parent_id, relation, prefix_chars, batch_id)
SELECT child.document_id, parent.document_id, relation, max(prefix_chars), $batch_id
FROM edge
JOIN document AS child ON child.digest = edge.child
JOIN document AS parent ON parent.digest = edge.parent
GROUP BY child.document_id, parent.document_id, relation
