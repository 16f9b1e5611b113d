-- grow_ancestor: what the ancestors found so far descend from: text → run → model → mix → texts.
INSERT INTO ancestor
WITH held AS (
    SELECT document_id, run_id, model_id FROM document WHERE document_id IN (SELECT id FROM ancestor WHERE kind = 'document')
), found AS (
    SELECT 'document' AS kind, document_id AS id
    FROM mix_document
    WHERE mix_id IN (SELECT id FROM ancestor WHERE kind = 'mix')
    UNION
    SELECT 'document', parent_id FROM derivation JOIN held ON held.document_id = child_id
    UNION
    SELECT 'run', run_id FROM held WHERE run_id IS NOT NULL
    UNION
    SELECT 'model', model_id FROM held WHERE model_id IS NOT NULL
    UNION
    SELECT 'model', base_model_id
    FROM model
    WHERE base_model_id IS NOT NULL AND model_id IN (SELECT id FROM ancestor WHERE kind = 'model')
    UNION
    SELECT 'run', run_id
    FROM run
    WHERE kind = 'train' AND model_id IN (SELECT id FROM ancestor WHERE kind = 'model')
    UNION
    SELECT 'mix', mix_id
    FROM run
    WHERE mix_id IS NOT NULL AND run_id IN (SELECT id FROM ancestor WHERE kind = 'run')
)
SELECT kind, id FROM found ANTI JOIN ancestor USING (kind, id)
