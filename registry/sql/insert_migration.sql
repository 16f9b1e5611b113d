-- insert_migration: note that a step of the schema was applied.
INSERT INTO migration VALUES ($version, $name, $digest, $applied_at)
