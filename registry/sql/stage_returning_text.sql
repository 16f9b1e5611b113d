-- stage_returning_text: an empty table for arriving texts that were erased before.
CREATE OR REPLACE TEMP TABLE returning_text AS SELECT NULL::BLOB AS digest, NULL::VARCHAR AS content LIMIT 0
