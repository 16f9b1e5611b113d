-- grow_descended: what comes of the documents, mixes and models that a walk found at this step.
INSERT INTO descended
WITH fresh AS (
    SELECT kind, id FROM descended WHERE step = $step
), found AS (
    SELECT 'document' AS kind, child_id AS id, 1 AS steps
    FROM derivation
    WHERE parent_id IN (SELECT id FROM fresh WHERE kind = 'document')
    UNION
    SELECT 'document', child_id, 2
    FROM derivation
    WHERE parent_id IN (
        SELECT document_id FROM document WHERE model_id IN (SELECT id FROM fresh WHERE kind = 'model')
    )
    UNION
    SELECT 'mix', mix_id, 1
    FROM mix_document
    WHERE document_id IN (SELECT id FROM fresh WHERE kind = 'document')
    UNION
    SELECT 'mix', mix_id, 2
    FROM mix_composition
    WHERE NOT as_drawn AND model_id IN (SELECT id FROM fresh WHERE kind = 'model')
    UNION
    SELECT 'model', model_id, 1
    FROM run
    WHERE kind = 'train' AND mix_id IN (SELECT id FROM fresh WHERE kind = 'mix')
    UNION
    SELECT 'model', model_id, 1
    FROM model
    WHERE base_model_id IN (SELECT id FROM fresh WHERE kind = 'model')
)
SELECT kind, id, $step + min(steps) FROM found ANTI JOIN descended USING (kind, id) GROUP BY kind, id
