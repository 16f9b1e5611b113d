-- every_ancestor: all models, runs and mixes, as if something descended from each.
CREATE OR REPLACE TEMP TABLE ancestor AS
SELECT 'model' AS kind, model_id AS id FROM model
UNION ALL
SELECT 'run', run_id FROM run
UNION ALL
SELECT 'mix', mix_id FROM mix
