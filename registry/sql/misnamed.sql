-- misnamed: the first line of `named` that means no document, or several.
SELECT line, named.wanted, count(document_id) AS documents
FROM named
LEFT JOIN named_document USING (line)
GROUP BY line, named.wanted
HAVING count(document_id) <> 1
ORDER BY line
LIMIT 1
