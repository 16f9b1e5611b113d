-- descended_counts: how many documents were made of those that the walk began with, and how many mixes and models it met.
SELECT count(*) FILTER (kind = 'document' AND step > 0) AS documents, count(*) FILTER (kind = 'mix') AS mixes,
       count(*) FILTER (kind = 'model') AS models
FROM descended
