-- merge_detectors: detectors that were trained there, and are not held here.
INSERT INTO detector (digest, name, content, report, batch_id)
SELECT digest, name, content, report, $batch_id
FROM their_detector
WHERE digest NOT IN (SELECT digest FROM detector)
