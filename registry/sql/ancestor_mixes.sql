-- ancestor_mixes: the mixes behind an export.
SELECT lower(hex(digest)) AS digest, spec::VARCHAR AS spec, seed
FROM mix
WHERE mix_id IN (SELECT id FROM ancestor WHERE kind = 'mix')
ORDER BY digest
