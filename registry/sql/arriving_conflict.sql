-- arriving_conflict: a document that stands twice in one act, declared in two ways.
WITH twice AS (
    SELECT digest, arg_min(rowid, (input, number)) AS first FROM arriving GROUP BY digest HAVING count(*) > 1
)
SELECT first.input, first.place, first.item, first.origin, first.declared, first.generator, first.license,
       other.input, other.place, other.origin, other.declared, other.generator, other.license
FROM twice
JOIN arriving AS first ON first.rowid = twice.first
JOIN arriving AS other ON other.digest = twice.digest
WHERE (first.origin, first.declared, first.generator, first.license)
      IS DISTINCT FROM (other.origin, other.declared, other.generator, other.license)
ORDER BY other.input, other.number
LIMIT 1
