-- valid_lines: the lines of a block that are JSON at all.
SELECT number, line FROM lines WHERE json_valid(line)
