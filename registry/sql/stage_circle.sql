-- stage_circle: the derivations that could close a circle: those whose parent is a child of one of them.
CREATE OR REPLACE TEMP TABLE circle AS
WITH all_edges AS (
    SELECT child, parent FROM edge
    UNION ALL
    SELECT child.digest, parent.digest
    FROM derivation
    JOIN document AS child ON child.document_id = child_id
    JOIN document AS parent ON parent.document_id = parent_id
    WHERE EXISTS (FROM edge JOIN known ON known.digest = edge.child)
)
SELECT child, parent FROM all_edges WHERE parent IN (SELECT child FROM all_edges)
