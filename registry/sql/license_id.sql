-- license_id: the local id of a licence.
SELECT license_id FROM license WHERE name = $name
