-- near_arrival_counts: how many pairs of texts are near, one of them new, by their origins.
SELECT new.origin, old.origin AS near_to, count(*) AS pairs
FROM near
JOIN saying AS new ON new.text_id = near.right_id AND new.place = 1
JOIN saying AS old ON old.text_id = near.left_id AND old.place = 1
GROUP BY new.origin, old.origin
