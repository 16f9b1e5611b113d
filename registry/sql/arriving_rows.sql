-- arriving_rows: the staged rows that are `bad`, as the user would know them.
SELECT input, number, place, item AS id, content AS text, origin, declared AS generation, generator, source, license, url,
       created_at AS created, metadata, named.parents
FROM arriving
JOIN bad USING (input, number)
JOIN text ON text.digest = text_digest
LEFT JOIN (
    SELECT child, list({'id': reference, 'relation': relation, 'prefix_chars': prefix_chars}) AS parents
    FROM arriving_edge
    GROUP BY child
) AS named ON named.child = arriving.digest
ORDER BY input, number
