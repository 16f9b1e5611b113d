-- content/attribution: how probably documents are a model's, to the last bit, and by which evidence.
SELECT asked.batch_id, document.digest AS key,
       netstring(format('{:.16e}', p_model)) || netstring(evidence::VARCHAR) AS body
FROM attribution
JOIN document USING (document_id)
JOIN asked ON asked.batch_id = attribution.batch_id
