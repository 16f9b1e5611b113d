-- ambiguous_entry: the first row of sidecars whose id several documents have.
SELECT input, place, key, documents
FROM sidecar
JOIN (SELECT entry, count(*) AS documents FROM sidecar_match GROUP BY entry HAVING count(*) > 1) USING (entry)
ORDER BY entry
LIMIT 1
