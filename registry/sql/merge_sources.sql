-- merge_sources: sources of the other registry that are not named here.
INSERT INTO source (source_id, name, url, consent, batch_id)
SELECT (SELECT coalesce(max(source_id), 0) FROM source) + row_number() OVER (ORDER BY name), name, url, consent,
       $batch_id
FROM their_source
WHERE name NOT IN (SELECT name FROM source)
