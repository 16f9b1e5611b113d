-- attributing_part: the documents of a part, with their texts and with all that speaks for or against a model.
WITH wanted AS (
    SELECT document_id, text_id FROM attributing WHERE part = $part
), saying AS (
    SELECT document_id, origin, precedence, declared_at, batch_id, declared_by,
           max(precedence) OVER (PARTITION BY document_id) AS highest
    FROM declaration
    SEMI JOIN wanted USING (document_id)
), last_saying AS (
    -- What a declarer took back, be it by saying that nobody knows, is not said any more.
    SELECT document_id, origin, declared_by,
           CASE WHEN precedence < highest THEN 'outranked' ELSE 'superseded' END AS standing
    FROM saying
    QUALIFY row_number() OVER (
        PARTITION BY document_id, declared_by ORDER BY precedence DESC, declared_at DESC, batch_id DESC, origin
    ) = 1
), declared AS (
    SELECT document_id,
           list({'origin': origin, 'by': declared_by, 'standing': standing} ORDER BY origin, declared_by) AS declared
    FROM last_saying
    WHERE origin IN ('human', 'model')
    GROUP BY document_id
), newest_detection AS (
    SELECT document_id, key_id, (arg_max({'p': p}, batch_id)).p AS p
    FROM detection
    SEMI JOIN wanted USING (document_id)
    GROUP BY document_id, key_id
), detected AS (
    SELECT document_id, min({'p': p, 'key': key_id, 'scheme': scheme}) AS best, count(*) AS keys
    FROM newest_detection
    JOIN watermark_key USING (key_id)
    WHERE p IS NOT NULL
    GROUP BY document_id
), copied AS (
    SELECT text_id, list({
        'origin': origin, 'is_exact': is_exact, 'jaccard': jaccard, 'share': share, 'item': item,
        'digest': lower(hex(digest))[1:12], 'generator': generator
    } ORDER BY origin) AS copied
    FROM copy
    GROUP BY text_id
)
SELECT document_id, document.text_id, content[1:$chars] AS content, created_at, declared, best, keys, copied
FROM wanted
JOIN document USING (document_id)
JOIN text ON text.text_id = document.text_id
LEFT JOIN declared USING (document_id)
LEFT JOIN detected USING (document_id)
LEFT JOIN copied ON copied.text_id = document.text_id
ORDER BY document.text_id, document_id
