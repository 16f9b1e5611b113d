-- verify_fingerprints: every fingerprint, with the text that it is of.
SELECT 'text ' || lower(hex(digest))[1:12] AS place, content, signature, keys
FROM fingerprint
JOIN text USING (text_id)
WHERE content IS NOT NULL
