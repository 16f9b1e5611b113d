-- drop_held_edges: the derivations that known documents have already, be their parent's id ambiguous by now.
DELETE FROM edge
WHERE (child, reference, relation) IN (
    SELECT (edge.child, edge.reference, edge.relation)
    FROM edge
    JOIN known ON known.digest = edge.child
    JOIN derivation ON derivation.child_id = known.document_id AND derivation.relation = edge.relation
    JOIN document AS parent ON parent.document_id = derivation.parent_id
    WHERE (parents = 1 AND parent.digest = edge.parent) OR (parents > 1 AND parent.item = edge.reference)
)
