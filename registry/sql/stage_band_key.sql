-- stage_band_key: an empty table for keys of bands that several texts may have.
CREATE OR REPLACE TEMP TABLE band_key (text_id BIGINT, key UBIGINT)
