-- applied_migrations: which steps of the schema this file has, oldest first.
SELECT version, digest FROM migration ORDER BY version
