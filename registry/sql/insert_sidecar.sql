-- insert_sidecar: stage some rows of sidecars.
INSERT INTO sidecar SELECT * FROM sidecar_entry
