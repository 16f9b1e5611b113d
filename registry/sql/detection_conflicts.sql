-- detection_conflicts: documents that are declared human and marked, or not marked by the key that their run says it used.
-- The surest ones come first.
SELECT CASE WHEN is_marked THEN 'human, but marked' ELSE 'written with a key, but not marked' END AS finding,
       item AS id, lower(hex(document.digest)) AS document, origin, source.name AS source, model.name AS generator,
       CASE WHEN is_marked THEN verdict.key_id ELSE run.spec->>'$.watermark.key' END AS key, verdict.p
FROM verdict
JOIN document USING (document_id)
LEFT JOIN source ON source.source_id = document.source_id
LEFT JOIN model ON model.model_id = document.model_id
LEFT JOIN run ON run.run_id = document.run_id
LEFT JOIN latest_detection AS own ON own.document_id = document.document_id AND own.key_id = run.spec->>'$.watermark.key'
WHERE (is_marked AND origin = 'human')
   OR (own.p > $rate AND ($keys::VARCHAR[] IS NULL OR list_contains($keys::VARCHAR[], own.key_id)))
ORDER BY finding, verdict.p, document
