-- insert_detector: a detector that was trained.
INSERT INTO detector (digest, name, content, report, batch_id)
SELECT unhex($digest), $name, $content, $report, $batch_id
