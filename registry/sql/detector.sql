-- detector: the newest detector, of one name if one is asked for.
SELECT digest, name, content, report::VARCHAR AS report
FROM detector
WHERE $name IS NULL OR name = $name
ORDER BY batch_id DESC, digest
LIMIT 1
