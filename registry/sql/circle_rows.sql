-- circle_rows: arriving rows that would be their own ancestors.
SELECT DISTINCT input, number, place FROM circle JOIN arriving ON arriving.digest = child ORDER BY input, number
