-- stage_ancestor: start a walk down the lineage.
CREATE OR REPLACE TEMP TABLE ancestor AS SELECT $kind AS kind, $id::BIGINT AS id
