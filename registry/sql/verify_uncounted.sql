-- verify_uncounted: texts without a token count, where the tokenizer counted all of their time.
-- A text is counted when it is ingested, and all together by `prov tokenize`; merged ones wait for that.
WITH newest AS (SELECT tokenizer_id, batch_id FROM tokenizer ORDER BY tokenizer_id DESC LIMIT 1),
first_seen AS (
    SELECT text_id, min(document.batch_id) FILTER (batch.kind = 'ingest') AS batch_id
    FROM document
    JOIN batch USING (batch_id)
    GROUP BY text_id
), uncounted AS (
    SELECT text_id, first_seen.batch_id < newest.batch_id AS is_older, first_seen.batch_id IS NOT NULL AS is_ingested
    FROM text
    JOIN first_seen USING (text_id)
    CROSS JOIN newest
    WHERE content IS NOT NULL AND text_id NOT IN (SELECT text_id FROM length WHERE length.tokenizer_id = newest.tokenizer_id)
), counted AS (
    SELECT coalesce(bool_or(first_seen.batch_id < newest.batch_id), false) AS has_older
    FROM length
    JOIN newest ON newest.tokenizer_id = length.tokenizer_id
    JOIN first_seen USING (text_id)
)
SELECT 'text ' || lower(hex(digest))[1:12] AS place, 'it has no token count, though others of its time have' AS what,
       count(*) OVER () AS total
FROM uncounted
JOIN text USING (text_id)
CROSS JOIN counted
WHERE is_ingested AND (NOT is_older OR has_older)
ORDER BY place
LIMIT $most
