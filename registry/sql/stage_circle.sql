-- stage_circle: the lineage that could lead back to itself: all that is new, and if known documents learn parents, all.
CREATE OR REPLACE TEMP TABLE circle AS
WITH held AS (
    SELECT child.digest AS child, parent.digest AS parent
    FROM derivation
    JOIN document AS child ON child.document_id = child_id
    JOIN document AS parent ON parent.document_id = parent_id
    UNION ALL
    SELECT document.digest, model.digest FROM document JOIN model USING (model_id)
    UNION ALL
    SELECT digest, model FROM arriving WHERE model IS NOT NULL
    UNION ALL
    SELECT model.digest, base.digest FROM model JOIN model AS base ON base.model_id = model.base_model_id
    UNION ALL
    SELECT model.digest, document.digest
    FROM run
    JOIN model USING (model_id)
    JOIN mix_document ON mix_document.mix_id = run.mix_id
    JOIN document ON document.document_id = mix_document.document_id
    WHERE run.kind = 'train'
)
SELECT child, parent FROM edge
UNION
SELECT child, parent FROM held WHERE EXISTS (FROM edge JOIN known ON known.digest = edge.child)
