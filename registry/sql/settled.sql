-- settled: what an act of ingesting came to: documents new and known, changed items, bytes, texts.
SELECT count(*) FILTER (known.digest IS NULL) AS added,
       count(known.digest) AS known,
       coalesce(sum(arriving.bytes) FILTER (known.digest IS NULL), 0)::BIGINT AS bytes,
       count(*) FILTER (known.digest IS NULL AND changed.item IS NOT NULL) AS changed
FROM arriving
LEFT JOIN known ON known.digest = arriving.digest
LEFT JOIN (
    SELECT DISTINCT document.item, source.name AS source
    FROM document
    LEFT JOIN source USING (source_id)
    WHERE document.run_id IS NULL AND document.item IN (SELECT item FROM arriving)
) AS changed ON changed.item = arriving.item AND changed.source IS NOT DISTINCT FROM arriving.source
            AND arriving.run IS NULL
