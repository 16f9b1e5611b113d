-- stage_attributed: an empty table for what documents of unknown origin are attributed to.
CREATE OR REPLACE TEMP TABLE attributed (
    document_id BIGINT NOT NULL, p_model DOUBLE NOT NULL, evidence VARCHAR NOT NULL, kinds VARCHAR[] NOT NULL
)
