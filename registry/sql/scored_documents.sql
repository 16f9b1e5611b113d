-- scored_documents: every document of which `truth` is held, with its attribution and its lowest p by any key.
-- The newest attribution is in force, and of each key the newest detection.
WITH attributed AS (
    SELECT document_id, max_by(p_model, batch_id) AS p_model FROM attribution GROUP BY document_id
), detected AS (
    SELECT document_id, count(*) AS keys, min(p) AS lowest_p FROM latest_detection GROUP BY document_id
)
SELECT truth.*, p_model, keys, lowest_p
FROM truth
JOIN document USING (item)
LEFT JOIN attributed USING (document_id)
LEFT JOIN detected USING (document_id)
ORDER BY item
