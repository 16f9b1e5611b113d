-- declaring_origins: the origins that documents would have, each with its first document.
SELECT origin, count(*) AS documents, arg_min(item, document_id) AS item
FROM declaring
GROUP BY origin
ORDER BY origin
