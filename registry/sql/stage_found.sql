-- stage_found: the texts of the registry that each one asked for is a copy of, the same or near.
CREATE OR REPLACE TEMP TABLE found AS
WITH same AS (
    SELECT asked_id, text_id FROM asked_text JOIN text USING (digest)
)
SELECT asked_id, text_id, true AS is_exact, 1::DOUBLE AS jaccard, 1::DOUBLE AS containment, NULL::BIGINT AS shingles,
       NULL::BIGINT AS their_shingles
FROM same
UNION ALL
SELECT left_id, right_id, false, jaccard, containment, left_shingles, right_shingles
FROM near
ANTI JOIN same ON asked_id = left_id AND text_id = right_id
