-- ancestor_mixes: the mixes behind an export.
SELECT lower(hex(digest)) AS digest, spec::VARCHAR AS spec, is_foreign AS is_stub
FROM mix
WHERE mix_id IN (SELECT id FROM ancestor WHERE kind = 'mix')
ORDER BY digest
