-- stage_descended: start a walk up the lineage, from some documents to all that came of them.
CREATE OR REPLACE TEMP TABLE descended AS SELECT 'document' AS kind, document_id AS id, 0 AS step FROM seed
