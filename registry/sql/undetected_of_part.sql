-- undetected_of_part: the documents of one part, with their texts and how many characters of each are its prompt.
SELECT undetected.document_id, content, coalesce(prefix_chars, 0) AS prompt
FROM undetected
JOIN text USING (text_id)
LEFT JOIN (
    SELECT child_id, max(prefix_chars) AS prefix_chars FROM derivation WHERE prefix_chars IS NOT NULL GROUP BY child_id
) AS prompted ON child_id = document_id
WHERE part = $part
ORDER BY undetected.document_id
