-- list_held_out: how many texts are held out under each name, how many documents they have, and how many texts are near.
SELECT name, count(DISTINCT text_id) AS texts, count(document_id) AS documents, coalesce(any_value(near), 0) AS near
FROM holdout
LEFT JOIN document USING (text_id)
LEFT JOIN (
    SELECT name, count(*) AS near
    FROM near_holdout
    JOIN holdout ON holdout.text_id = near_id
    WHERE near_holdout.text_id NOT IN (SELECT text_id FROM holdout)
    GROUP BY name
) AS nearby USING (name)
GROUP BY name
ORDER BY name
