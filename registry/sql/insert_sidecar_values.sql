-- insert_sidecar_values: stage some values of sidecars.
INSERT INTO sidecar_values SELECT * FROM sidecar_value
