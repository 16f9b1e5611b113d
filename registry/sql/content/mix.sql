-- content/mix: mixes; their digests commit to all that they are.
SELECT batch_id, digest AS key, '' AS body FROM mix JOIN asked USING (batch_id)
