-- stage_sidecar: an empty table for the rows of sidecars, before it is known which documents they are about.
CREATE OR REPLACE TEMP TABLE sidecar AS SELECT * FROM sidecar_entry
