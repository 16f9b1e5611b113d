-- content/model: models; their digests commit to all that they are, a foreign one may be filled in later.
SELECT batch_id, digest AS key, netstring(name) AS body FROM model JOIN asked USING (batch_id)
