-- attributing_texts: the texts of unknown origin that no document of known origin has, long enough to be told apart.
SELECT DISTINCT text_id
FROM attributing
WHERE words >= $words AND text_id NOT IN (SELECT text_id FROM document WHERE origin IN ('human', 'model'))
