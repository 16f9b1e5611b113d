-- count_human_texts: how many texts a human document has, and how many of them are not held out under another name.
SELECT count(*) AS texts, count(*) FILTER (text_id NOT IN (SELECT text_id FROM holdout WHERE name <> $name)) AS free
FROM (SELECT DISTINCT text_id FROM document WHERE origin = 'human')
