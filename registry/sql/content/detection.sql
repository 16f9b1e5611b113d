-- content/detection: what documents score by keys, to the last bit, and where they are marked.
SELECT asked.batch_id, document.digest AS key,
       netstring(key_id) || netstring(scored::VARCHAR) || netstring(format('{:.16e}', score))
       || netstring(format('{:.16e}', z)) || netstring(format('{:.16e}', p)) || netstring(first_char::VARCHAR)
       || netstring(last_char::VARCHAR) AS body
FROM detection
JOIN document USING (document_id)
JOIN asked ON asked.batch_id = detection.batch_id
