-- human_sources: the human documents of a mix per source.
SELECT source.name AS source, count(DISTINCT document_id) AS documents
FROM mix_document
JOIN document USING (document_id)
LEFT JOIN source USING (source_id)
WHERE mix_id = $mix_id AND origin = 'human'
GROUP BY source.name
ORDER BY source
