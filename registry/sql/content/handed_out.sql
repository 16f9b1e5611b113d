-- content/handed_out: files that hold texts of the registry.
SELECT asked.batch_id, encode(path) AS key, netstring(handed_out.kind) || netstring(hex(mix.digest)) AS body
FROM handed_out
LEFT JOIN mix USING (mix_id)
JOIN asked ON asked.batch_id = handed_out.batch_id
