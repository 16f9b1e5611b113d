-- detection_counts: of documents by declared origin and generator, how many are marked, and how many too short to tell.
SELECT origin, model.name AS generator, count(*) AS documents, count(*) FILTER (keys = 0) AS too_short,
       count(*) FILTER (is_marked) AS marked
FROM verdict
JOIN document USING (document_id)
LEFT JOIN model ON model.model_id = document.model_id
GROUP BY origin, generator
ORDER BY origin, generator
