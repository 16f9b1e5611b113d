-- count_fingerprints: how many texts have a fingerprint, how many are to have one yet, and how many are of no word.
SELECT count(keys) AS fingerprints, count(*) FILTER (keys IS NULL AND content IS NOT NULL) AS missing,
       count(*) FILTER (len(keys) = 0) AS without_words
FROM text
LEFT JOIN fingerprint USING (text_id)
