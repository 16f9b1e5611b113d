-- list_sources: sources, newest first.
SELECT name, source.url, consent, count(document_id) AS documents, coalesce(sum(bytes), 0)::BIGINT AS bytes
FROM source
LEFT JOIN document USING (source_id)
GROUP BY source_id, name, source.url, consent
ORDER BY source_id DESC
LIMIT $limit
