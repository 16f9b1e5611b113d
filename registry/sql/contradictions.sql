-- contradictions: arriving rows that declare a generation which their lineage rules out.
SELECT input, number, declared, lineage, lineage_exact
FROM arriving
JOIN news USING (digest)
WHERE origin IN ('model', 'mixed') AND ((lineage_exact AND declared <> lineage) OR declared < lineage)
ORDER BY input, number
