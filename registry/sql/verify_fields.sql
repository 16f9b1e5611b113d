-- verify_fields: names in metadata that the list of fields does not have.
SELECT 'field ' || name AS place, 'documents have it in their metadata, but the list of fields does not' AS what,
       count(*) OVER () AS total
FROM (SELECT DISTINCT unnest(json_keys(metadata)) AS name FROM document)
WHERE name NOT IN (SELECT name FROM field)
ORDER BY place
LIMIT $most
