-- detections: what each document scores by each key, with its verdict and its q.
-- q is the share of false ones among all that stand out as much (Benjamini and Hochberg).
WITH ranked AS (
    SELECT latest_detection.*, p * count(p) OVER () / count(p) OVER (ORDER BY p NULLS LAST) AS raw
    FROM latest_detection, asked
    WHERE keys IS NULL OR list_contains(keys, key_id)
)
SELECT item AS id, lower(hex(document.digest)) AS document, origin, document.generation, source.name AS source,
       model.name AS generator, ranked.key_id AS key, scheme, scored, score, z, ranked.p,
       CASE WHEN ranked.p IS NOT NULL
            THEN least(1.0, min(raw) OVER (ORDER BY ranked.p DESC NULLS FIRST)) END AS q,
       CASE WHEN ranked.p IS NULL THEN 'too short' WHEN ranked.p <= rate / verdict.keys THEN 'marked' ELSE 'unmarked' END
           AS verdict,
       first_char, last_char
FROM ranked
CROSS JOIN asked
JOIN verdict USING (document_id)
JOIN document USING (document_id)
JOIN watermark_key ON watermark_key.key_id = ranked.key_id
LEFT JOIN source ON source.source_id = document.source_id
LEFT JOIN model ON model.model_id = document.model_id
ORDER BY document, ranked.key_id
