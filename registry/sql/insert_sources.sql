-- insert_sources: sources that the arriving documents name for the first time.
INSERT INTO source (source_id, name, url, consent, batch_id)
SELECT (SELECT coalesce(max(source_id), 0) FROM source) + row_number() OVER (ORDER BY name), name,
       CASE WHEN name = $name THEN $url END, CASE WHEN name = $name THEN $consent END, $batch_id
FROM (SELECT DISTINCT source AS name FROM arriving WHERE source IS NOT NULL)
WHERE name NOT IN (SELECT name FROM source)
