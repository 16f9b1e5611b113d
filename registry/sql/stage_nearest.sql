-- stage_nearest: an empty table for texts that are near to held-out ones.
CREATE OR REPLACE TEMP TABLE nearest AS SELECT text_id, near_id, jaccard, containment FROM near_holdout WITH NO DATA
