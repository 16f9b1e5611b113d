-- overlap: a document that two strata ask for.
SELECT id, document_id FROM placed WHERE hits > 1 AND excluded IS NULL ORDER BY digest LIMIT 1
