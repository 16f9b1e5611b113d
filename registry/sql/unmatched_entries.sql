-- unmatched_entries: how many rows of sidecars are about no document that is held, and the first of them.
SELECT count(*) AS entries, arg_min(input, entry) AS input, arg_min(place, entry) AS place, arg_min(key, entry) AS key,
       arg_min(source, entry) AS source
FROM sidecar
WHERE entry NOT IN (SELECT entry FROM sidecar_match)
HAVING count(*) > 0
