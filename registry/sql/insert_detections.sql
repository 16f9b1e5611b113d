-- insert_detections: what documents score by a key, of those that it was not looked for in before, or, again, what is new.
INSERT INTO detection
SELECT found.document_id, $key, found.scored, found.score, found.z, found.p, found.first_char, found.last_char, $batch_id
FROM found
LEFT JOIN (SELECT * FROM latest_detection WHERE key_id = $key) AS held ON held.document_id = found.document_id
WHERE held.key_id IS NULL
   OR ($again AND (held.scored, held.p, held.first_char, held.last_char)
       IS DISTINCT FROM (found.scored, found.p, found.first_char, found.last_char))
