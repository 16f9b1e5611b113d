-- circle_rows: arriving rows that would be their own ancestors.
SELECT DISTINCT input, number
FROM circle
JOIN edge USING (child, parent)
JOIN arriving ON arriving.digest = child
ORDER BY input, number
