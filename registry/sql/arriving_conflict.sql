-- arriving_conflict: a document that stands twice in one act, declared in two ways.
SELECT first.input, first.place, first.item, first.origin, first.declared, first.generator, first.license,
       other.input, other.place, other.origin, other.declared, other.generator, other.license
FROM arriving AS first
JOIN arriving AS other ON other.digest = first.digest
WHERE (first.input, first.number) < (other.input, other.number)
  AND (first.origin, first.declared, first.generator, first.license)
      IS DISTINCT FROM (other.origin, other.declared, other.generator, other.license)
ORDER BY other.input, other.number
LIMIT 1
