-- tables: the names of all tables of the registry.
SELECT table_name FROM duckdb_tables() WHERE NOT temporary AND NOT internal ORDER BY table_name
