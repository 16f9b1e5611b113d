-- list_held_out: how many texts are held out under each name, and how many documents they have.
SELECT name, count(DISTINCT text_id) AS texts, count(document_id) AS documents
FROM holdout
LEFT JOIN document USING (text_id)
GROUP BY name
ORDER BY name
