-- stage_arriving_edge: an empty table for the parents that the rows of one act name.
CREATE OR REPLACE TEMP TABLE arriving_edge AS SELECT * FROM incoming_edge
