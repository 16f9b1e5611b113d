-- stage_copy: the nearest document of each known origin to each text of unknown origin.
-- By containment where so much of the unknown one stands in the other: a model's text may hold a human one.
CREATE OR REPLACE TEMP TABLE copy AS
WITH pair AS (
    SELECT DISTINCT text_id, text_id AS their_id, true AS is_exact, 1::DOUBLE AS jaccard, 1::DOUBLE AS share
    FROM attributing
    WHERE words >= $words
    UNION ALL
    SELECT left_id, right_id, false, jaccard, containment * least(left_shingles, right_shingles) / left_shingles
    FROM near
    UNION ALL
    SELECT right_id, left_id, false, jaccard, containment * least(left_shingles, right_shingles) / right_shingles
    FROM near
)
SELECT pair.text_id, origin, is_exact, jaccard, share, item, document.digest, model.name AS generator
FROM pair
SEMI JOIN attributing USING (text_id)
JOIN document ON document.text_id = their_id
LEFT JOIN model ON model.model_id = document.model_id
WHERE origin IN ('human', 'model') AND (is_exact OR jaccard >= $threshold OR share >= $containment)
QUALIFY row_number() OVER (
    PARTITION BY pair.text_id, origin ORDER BY is_exact DESC, greatest(jaccard, share) DESC, jaccard DESC, document.digest
) = 1
