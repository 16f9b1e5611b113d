-- line_keys: all names that the lines of a block have.
SELECT DISTINCT unnest(json_keys(line)) FROM lines
