-- texts_matching: the texts of all documents that a user's id means, or else (the start of) a document's or a text's digest.
SELECT DISTINCT lower(hex(text.digest)) AS text
FROM document
JOIN text USING (text_id)
WHERE item = $wanted
   OR (length($wanted) >= 4
       AND (starts_with(lower(hex(document.digest)), lower($wanted)) OR starts_with(lower(hex(text.digest)), lower($wanted)))
       AND NOT EXISTS (FROM document WHERE item = $wanted))
ORDER BY text
