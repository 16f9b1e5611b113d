-- stage_test_set: one document for each text held out under a name, a human one before others; none withdrawn or erased.
CREATE OR REPLACE TEMP TABLE test_set AS
SELECT document_id, bytes
FROM document
JOIN holdout USING (text_id)
WHERE name = $name
  AND document_id NOT IN (SELECT document_id FROM withdrawn)
  AND text_id NOT IN (SELECT text_id FROM text WHERE content IS NULL)
QUALIFY row_number() OVER (PARTITION BY text_id ORDER BY origin <> 'human', digest) = 1
