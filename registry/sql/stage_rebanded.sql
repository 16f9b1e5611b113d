-- stage_rebanded: an empty table for keys of other bands than those that are kept.
CREATE OR REPLACE TEMP TABLE rebanded (text_id BIGINT, key UBIGINT)
