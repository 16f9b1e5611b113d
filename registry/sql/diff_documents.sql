-- diff_documents: documents that one mix has more often than the other.
SELECT lower(hex(digest)) AS document, (sum(times))::BIGINT AS more
FROM (
    SELECT document_id, 1 AS times FROM mix_document WHERE mix_id = $after
    UNION ALL
    SELECT document_id, -1 FROM mix_document WHERE mix_id = $before
)
JOIN document USING (document_id)
GROUP BY digest
HAVING sum(times) <> 0
ORDER BY digest
