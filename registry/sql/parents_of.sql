-- parents_of: what a document derives from.
SELECT relation, item, lower(hex(digest)) AS digest, origin, generation, generation_exact, prefix_chars
FROM derivation
JOIN document ON document_id = parent_id
WHERE child_id = $document_id
ORDER BY relation, digest
