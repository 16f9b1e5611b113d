-- stage_withdrawing: the documents that one withdrawal covers.
CREATE OR REPLACE TEMP TABLE withdrawing AS
SELECT document_id, text_id
FROM document
WHERE $scope = 'document' AND digest = unhex(CASE WHEN $scope = 'document' THEN $value END)
UNION ALL
SELECT document_id, text_id
FROM document
WHERE $scope = 'text' AND text_id IN (SELECT text_id FROM text WHERE digest = unhex(CASE WHEN $scope = 'text' THEN $value END))
UNION ALL
SELECT document_id, text_id
FROM document
WHERE $scope = 'source' AND source_id IN (SELECT source_id FROM source WHERE name = $value)
UNION ALL
SELECT document_id, text_id
FROM document
WHERE $scope = 'license' AND license_id IN (SELECT license_id FROM license WHERE name = $value)
