-- setting: the value kept under a name.
SELECT value FROM setting WHERE name = $name
