-- insert_fields: names of the users' columns that were not seen before.
INSERT INTO field SELECT name FROM incoming_field WHERE name NOT IN (SELECT name FROM field)
