-- insert_setting: keep one named value.
INSERT INTO setting VALUES ($name, $value)
