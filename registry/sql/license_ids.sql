-- license_ids: all licences by their ids.
SELECT license_id, name FROM license ORDER BY license_id
