-- content/detector: detectors, with all that they are made of and how well they do.
SELECT batch_id, digest AS key, netstring(name) || netstring(sha256(content)) || netstring(report::VARCHAR) AS body
FROM detector
JOIN asked USING (batch_id)
