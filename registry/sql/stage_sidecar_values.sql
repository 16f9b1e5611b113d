-- stage_sidecar_values: an empty table for the values of sidecars, each in every kind that it can be read as.
CREATE OR REPLACE TEMP TABLE sidecar_values AS SELECT * FROM sidecar_value
