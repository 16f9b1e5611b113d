-- stage_suspect: texts whose documents differ in origin, where it is known, or in licence, where there is one.
CREATE OR REPLACE TEMP TABLE suspect AS
SELECT text_id
FROM (
    SELECT text_id, license_id, CASE origin WHEN 'human' THEN 1 WHEN 'model' THEN 2 WHEN 'mixed' THEN 3 END AS known
    FROM document
)
GROUP BY text_id
HAVING min(known) <> max(known) OR min(license_id) <> max(license_id)
