-- stage_wanted: what another registry wants of this one, by ids of both.
CREATE OR REPLACE TEMP TABLE wanted AS FROM lent
