-- mix_size: how many documents a mix has, repeats counted, and their bytes.
SELECT count(*) AS documents, coalesce(sum(bytes), 0)::BIGINT AS bytes
FROM mix_document
JOIN document USING (document_id)
WHERE mix_id = $mix_id
