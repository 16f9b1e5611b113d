-- watermarks: which keys were looked for, where they were found, and what is inferred of documents of unknown origin.

-- watermark_key: what may be known of a key; the key itself stands in a keyring, never here.
CREATE TABLE watermark_key (key_id VARCHAR NOT NULL, scheme VARCHAR NOT NULL, parameters JSON NOT NULL,
                            tokenizer_digest BLOB NOT NULL, batch_id BIGINT NOT NULL);

-- detection: what a document scores by a key; p is NULL where it is too short to tell. The marked passage, in characters,
-- is told where it is part of the text only.
CREATE TABLE detection (document_id BIGINT NOT NULL, key_id VARCHAR NOT NULL, scored BIGINT NOT NULL, score DOUBLE,
                        z DOUBLE, p DOUBLE, first_char BIGINT, last_char BIGINT, batch_id BIGINT NOT NULL);

-- latest_detection: of each document and key the detection in force, the newest.
CREATE VIEW latest_detection AS
SELECT * FROM detection QUALIFY batch_id = max(batch_id) OVER (PARTITION BY document_id, key_id);

-- detector: something trained to tell human from model text, with how well it does on texts that it did not see.
CREATE TABLE detector (digest BLOB NOT NULL, name VARCHAR NOT NULL, content BLOB NOT NULL, report JSON NOT NULL,
                       batch_id BIGINT NOT NULL);

-- attribution: how probably a document of unknown origin is a model's, and by which evidence; the newest is in force.
CREATE TABLE attribution (document_id BIGINT NOT NULL, p_model DOUBLE NOT NULL, evidence JSON NOT NULL,
                          batch_id BIGINT NOT NULL);
