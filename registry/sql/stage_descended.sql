-- stage_descended: start a walk up the lineage, from documents, models and mixes to all that came of them.
CREATE OR REPLACE TEMP TABLE descended AS
SELECT 'document' AS kind, document_id AS id, 0 AS step FROM seed
UNION ALL
SELECT kind, id, 0 FROM started
