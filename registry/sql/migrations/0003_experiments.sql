-- experiments: what was tried on what is held here, and what it measured.

-- experiment: its spec tells everything, and its digest is that of the spec.
CREATE TABLE experiment (experiment_id BIGINT NOT NULL, digest BLOB NOT NULL, name VARCHAR NOT NULL, spec JSON NOT NULL,
                         batch_id BIGINT NOT NULL);

-- measurement: NaN where a model had died.
CREATE TABLE measurement (experiment_id BIGINT NOT NULL, arm VARCHAR NOT NULL, repeat INTEGER NOT NULL,
                          generation INTEGER NOT NULL, metric VARCHAR NOT NULL, value DOUBLE NOT NULL,
                          batch_id BIGINT NOT NULL);
