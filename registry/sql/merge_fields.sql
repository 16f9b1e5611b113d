-- merge_fields: names of the users' columns that were not seen here.
INSERT INTO field SELECT name FROM their_field WHERE name NOT IN (SELECT name FROM field)
