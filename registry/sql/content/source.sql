-- content/source: where documents come from.
SELECT batch_id, encode(name) AS key, netstring(url) || netstring(consent) AS body FROM source JOIN asked USING (batch_id)
