-- withdrawing_size: how many documents and texts a withdrawal covers, and their bytes.
SELECT count(*) AS documents, count(DISTINCT withdrawing.text_id) AS texts, coalesce(sum(bytes), 0)::BIGINT AS bytes
FROM withdrawing
JOIN document USING (document_id)
