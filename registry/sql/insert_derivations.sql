-- insert_derivations: the edges of this act that the registry does not hold.
INSERT INTO derivation (child_id, parent_id, relation, prefix_chars, batch_id)
SELECT child.document_id, parent.document_id, relation, prefix_chars, $batch_id
FROM edge
JOIN document AS child ON child.digest = edge.child
JOIN document AS parent ON parent.digest = edge.parent
WHERE (child.document_id, parent.document_id, relation) NOT IN (SELECT (child_id, parent_id, relation) FROM derivation)
