-- lineage_human: the human documents that a document descends from, per source.
SELECT source.name AS source, count(*) AS documents, sum(bytes)::BIGINT AS bytes
FROM document
LEFT JOIN source USING (source_id)
WHERE origin = 'human' AND document_id IN (SELECT id FROM ancestor WHERE kind = 'document')
GROUP BY source.name
ORDER BY source
