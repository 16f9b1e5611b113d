-- content/withdrawal: what is withdrawn.
SELECT batch_id, encode(value) AS key, netstring(scope) || netstring(reason) || netstring(erased::VARCHAR) AS body
FROM withdrawal
JOIN asked USING (batch_id)
