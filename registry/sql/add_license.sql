-- add_license: a licence that is named for the first time.
INSERT INTO license (license_id, name)
SELECT coalesce(max(license_id), 0) + 1, $name
FROM license
HAVING $name NOT IN (SELECT name FROM license)
