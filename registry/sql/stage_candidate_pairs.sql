-- stage_candidate_pairs: named pairs of texts as candidates, in parts of about so many bytes.
CREATE OR REPLACE TEMP TABLE candidate AS
WITH size AS (SELECT text_id, any_value(bytes) AS bytes FROM document GROUP BY text_id)
SELECT left_id, right_id,
       (sum(left_size.bytes + right_size.bytes) OVER (ORDER BY left_id, right_id) // $part_bytes)::BIGINT AS part
FROM named_pair
JOIN size AS left_size ON left_size.text_id = left_id
JOIN size AS right_size ON right_size.text_id = right_id
