-- stage_withdrawn: every document that a withdrawal covers, be it named itself, by its text, its source or its licence.
CREATE OR REPLACE TEMP TABLE withdrawn AS
WITH rule AS (
    SELECT scope, value, CASE WHEN scope IN ('text', 'document') THEN unhex(value) END AS digest FROM withdrawal
)
SELECT document_id, text_id FROM document WHERE digest IN (SELECT digest FROM rule WHERE scope = 'document')
UNION
SELECT document_id, text_id
FROM document
WHERE text_id IN (SELECT text_id FROM text JOIN rule USING (digest) WHERE scope = 'text')
UNION
SELECT document_id, text_id
FROM document
WHERE source_id IN (SELECT source_id FROM source JOIN rule ON value = name WHERE scope = 'source')
UNION
SELECT document_id, text_id
FROM document
WHERE license_id IN (SELECT license_id FROM license JOIN rule ON value = name WHERE scope = 'license')
