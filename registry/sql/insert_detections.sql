-- insert_detections: what documents score by a key, of those that it was not looked for in before.
INSERT INTO detection
SELECT document_id, $key, scored, score, z, p, first_char, last_char, $batch_id
FROM found
WHERE NOT EXISTS (
    SELECT 1 FROM detection WHERE detection.document_id = found.document_id AND key_id = $key
)
