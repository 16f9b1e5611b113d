-- stage_strange: texts that are not of the registry, under ids below zero.
CREATE OR REPLACE TEMP TABLE strange (text_id BIGINT, content VARCHAR, signature UINTEGER[], keys UBIGINT[])
