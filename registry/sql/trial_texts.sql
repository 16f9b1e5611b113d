-- trial_texts: the texts of the documents that were drawn for a blind trial, in its order.
SELECT content AS text
FROM trial
JOIN document USING (document_id)
JOIN text USING (text_id)
ORDER BY place
