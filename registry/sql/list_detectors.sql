-- list_detectors: what was trained to tell human from model text, the newest first.
SELECT lower(hex(detector.digest)) AS digest, name, made_at
FROM detector
JOIN batch USING (batch_id)
ORDER BY batch_id DESC, detector.digest
