-- stage_ranked: the documents of texts that have several or are near to others, in the order in which they are kept.
CREATE OR REPLACE TEMP TABLE ranked AS
WITH met AS (
    SELECT left_id AS text_id FROM near
    UNION
    SELECT right_id FROM near
    UNION
    SELECT text_id FROM deduped GROUP BY text_id HAVING count(*) > 1
), told AS (
    SELECT document_id, text_id, digest, words,
           CASE $keep
               WHEN 'earliest' THEN coalesce(epoch_us(created_at), 9223372036854775807)
               WHEN 'license' THEN coalesce(license_place.place, $no_license)
               WHEN 'longest' THEN -words
               ELSE 0
           END AS chosen,
           CASE origin WHEN 'human' THEN 0 WHEN 'mixed' THEN 1 WHEN 'unknown' THEN 2 ELSE 3 END AS by_origin,
           coalesce(generation, 2147483647) AS by_generation, coalesce(epoch_us(created_at), 9223372036854775807) AS by_date
    FROM deduped
    JOIN document USING (document_id, text_id)
    LEFT JOIN license_place USING (license_id)
    WHERE text_id IN (FROM met)
)
SELECT *, row_number() OVER (ORDER BY chosen, by_origin, by_generation, words DESC, by_date, digest) AS standing
FROM told
