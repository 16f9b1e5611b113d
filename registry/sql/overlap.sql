-- overlap: a document that two strata ask for.
SELECT id, document_id FROM seeded WHERE hits > 1 AND excluded IS NULL ORDER BY digest LIMIT 1
