-- stage_near: an empty table for pairs of texts that were judged to be near.
CREATE OR REPLACE TEMP TABLE near (
    left_id BIGINT, right_id BIGINT, jaccard DOUBLE, containment DOUBLE, left_shingles BIGINT, right_shingles BIGINT
)
