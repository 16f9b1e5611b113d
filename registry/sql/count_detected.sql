-- count_detected: how many documents a batch tells new scores of.
SELECT count(DISTINCT document_id) FROM detection WHERE batch_id = $batch_id
