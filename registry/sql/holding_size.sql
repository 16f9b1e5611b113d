-- holding_size: how many texts are to be held out, how many stand in mixes, and how much their documents come to.
SELECT (SELECT count(*) FROM holding) AS texts,
       count(DISTINCT text_id) FILTER (document_id IN (SELECT document_id FROM mix_document)) AS drawn,
       count(*) AS documents, coalesce(sum(bytes), 0)::BIGINT AS bytes
FROM document
WHERE text_id IN (SELECT text_id FROM holding)
