-- content/run: runs, by digest; that a foreign model was trained somewhere says nothing of its own.
SELECT batch_id, digest AS key, '' AS body
FROM run
JOIN asked USING (batch_id)
WHERE NOT (is_foreign AND coalesce(kind, '') = 'train')
