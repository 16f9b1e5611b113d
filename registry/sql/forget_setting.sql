-- forget_setting: drop the value kept under a name.
DELETE FROM setting WHERE name = $name
