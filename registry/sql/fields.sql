-- fields: the names of the users' own columns.
SELECT name FROM field ORDER BY name
