-- holding_size: how many texts are to be held out or near to such, and stand in mixes, and how much they come to.
WITH ruled AS (
    SELECT text_id, document_id, bytes, text_id IN (SELECT text_id FROM holding) AS is_held
    FROM document
    WHERE text_id IN (SELECT text_id FROM holding UNION SELECT text_id FROM nearest)
), drawn AS (
    SELECT DISTINCT text_id, is_held FROM ruled WHERE document_id IN (SELECT document_id FROM mix_document)
)
SELECT (SELECT count(*) FROM holding) AS texts, (SELECT count(*) FILTER (is_held) FROM drawn) AS drawn,
       (SELECT count(*) FROM nearest) AS near, (SELECT count(*) FILTER (NOT is_held) FROM drawn) AS near_drawn,
       count(*) FILTER (is_held) AS documents, coalesce(sum(bytes) FILTER (is_held), 0)::BIGINT AS bytes
FROM ruled
