-- stage_verdict: of each document that keys were looked for in, the one that it stands out most by, and if it is marked.
-- Its p is corrected for the number of keys; nothing is said of one that is too short for all.
CREATE OR REPLACE TEMP TABLE verdict AS
SELECT document_id, count(p) AS keys, arg_min(key_id, p) AS key_id, min(p) AS p,
       coalesce(min(p) <= $rate / count(p), false) AS is_marked
FROM latest_detection
WHERE $keys::VARCHAR[] IS NULL OR list_contains($keys::VARCHAR[], key_id)
GROUP BY document_id
