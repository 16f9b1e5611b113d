-- insert_licenses: licences that the arriving documents name for the first time.
INSERT INTO license (license_id, name)
SELECT (SELECT coalesce(max(license_id), 0) FROM license) + row_number() OVER (ORDER BY name), name
FROM (SELECT DISTINCT license AS name FROM arriving WHERE license IS NOT NULL)
WHERE name NOT IN (SELECT name FROM license)
