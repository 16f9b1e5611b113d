-- new_texts: which of the arriving texts the registry does not hold; of one text the first.
SELECT min(row) AS row FROM arriving_digest ANTI JOIN text USING (digest) GROUP BY digest ORDER BY row
