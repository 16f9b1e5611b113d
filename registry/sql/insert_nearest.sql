-- insert_nearest: of each text that is near to some that are asked for, the one that it is nearest to; ties go by digest.
INSERT INTO nearest
SELECT pair.text_id, near_id, jaccard, containment
FROM (
    SELECT CASE WHEN is_asked THEN right_id ELSE left_id END AS text_id,
           CASE WHEN is_asked THEN left_id ELSE right_id END AS near_id, jaccard, containment
    FROM near
    JOIN near_text ON near_text.text_id = left_id
) AS pair
JOIN text ON text.text_id = near_id
QUALIFY row_number() OVER (PARTITION BY pair.text_id ORDER BY jaccard DESC, containment DESC, digest) = 1
