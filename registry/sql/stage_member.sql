-- stage_member: the documents of each cluster of two or more, which of them survives, and by what it stands before the next.
CREATE OR REPLACE TEMP TABLE member AS
WITH placed AS (
    SELECT cluster_id, document_id, digest, ranked.text_id, standing, jaccard, containment,
           row_number() OVER of_cluster AS place, count(*) OVER (PARTITION BY cluster_id) AS members,
           CASE
               WHEN chosen <> lead(chosen) OVER of_cluster
                   THEN CASE $keep WHEN 'earliest' THEN 'created' WHEN 'longest' THEN 'words' ELSE $keep END
               WHEN by_origin <> lead(by_origin) OVER of_cluster THEN 'origin'
               WHEN by_generation <> lead(by_generation) OVER of_cluster THEN 'generation'
               WHEN words <> lead(words) OVER of_cluster THEN 'words'
               WHEN by_date <> lead(by_date) OVER of_cluster THEN 'created'
               ELSE 'digest'
           END AS before_next
    FROM ranked
    JOIN clustered USING (text_id)
    WINDOW of_cluster AS (PARTITION BY cluster_id ORDER BY standing)
)
SELECT cluster_id, document_id, text_id, standing, jaccard, containment, members, place, place = 1 AS survives,
       first_value(before_next) OVER of_cluster AS why, first_value(digest) OVER of_cluster AS survivor
FROM placed
WHERE members > 1
WINDOW of_cluster AS (PARTITION BY cluster_id ORDER BY place)
