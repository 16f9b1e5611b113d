-- stage_conflict: of the suspect texts, those whose licences do not mean the same, and those of different origins.
CREATE OR REPLACE TEMP TABLE conflict AS
SELECT text_id, bool_or(origin = 'human') AS human, bool_or(origin = 'model') AS model, bool_or(origin = 'mixed') AS mixed,
       human::INTEGER + model::INTEGER + mixed::INTEGER > 1 AS of_origin, count(DISTINCT meaning) > 1 AS of_license
FROM suspect
JOIN document USING (text_id)
LEFT JOIN license_meaning USING (license_id)
GROUP BY text_id
HAVING of_origin OR of_license
