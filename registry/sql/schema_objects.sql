-- schema_objects: every column, view and macro of the schema, with what it is.
SELECT 'column ' || table_name || '.' || column_name AS place, data_type || CASE WHEN is_nullable THEN '' ELSE ' NOT NULL' END AS definition
FROM duckdb_columns()
WHERE database_name = current_database() AND NOT internal
UNION ALL
SELECT 'view ' || view_name, sql FROM duckdb_views() WHERE database_name = current_database() AND NOT internal
UNION ALL
SELECT 'macro ' || function_name, parameters::VARCHAR || ' ' || macro_definition
FROM duckdb_functions()
WHERE database_name = current_database() AND NOT internal
