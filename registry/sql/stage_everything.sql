-- stage_everything: all models, runs and mixes, as `ancestor` has those of one document.
CREATE OR REPLACE TEMP TABLE ancestor AS
SELECT 'model' AS kind, model_id AS id FROM model
UNION ALL
SELECT 'run', run_id FROM run
UNION ALL
SELECT 'mix', mix_id FROM mix
