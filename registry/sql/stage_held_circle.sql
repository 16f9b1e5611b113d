-- stage_held_circle: all lineage that is held, documents, models and mixes told apart by their remainder of three.
CREATE OR REPLACE TEMP TABLE circle AS
SELECT 3 * child_id AS child, 3 * parent_id AS parent FROM derivation
UNION ALL
SELECT 3 * document_id, 3 * model_id + 1 FROM document WHERE model_id IS NOT NULL
UNION ALL
SELECT 3 * model_id + 1, 3 * base_model_id + 1 FROM model WHERE base_model_id IS NOT NULL
UNION ALL
SELECT 3 * model_id + 1, 3 * mix_id + 2 FROM run WHERE kind = 'train' AND mix_id IS NOT NULL
UNION ALL
SELECT 3 * mix_id + 2, 3 * document_id FROM mix_document
