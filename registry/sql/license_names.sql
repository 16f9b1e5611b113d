-- license_names: the names of all licences.
SELECT name FROM license ORDER BY name
