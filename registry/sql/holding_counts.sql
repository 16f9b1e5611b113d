-- holding_counts: of the texts to be held out, how many are so already, under this name and under others.
SELECT count(*) AS texts, count(*) FILTER (holdout.name = $name) AS known, count(*) FILTER (holdout.name <> $name) AS elsewhere
FROM holding
LEFT JOIN holdout USING (text_id)
