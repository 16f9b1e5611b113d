-- undetected_parts: the parts of the documents that some keys were not looked for in, with how many each has.
SELECT part, count(*) AS documents FROM undetected GROUP BY part ORDER BY part
