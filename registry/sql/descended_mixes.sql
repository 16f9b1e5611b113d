-- descended_mixes: the mixes that hold what descends.
SELECT lower(hex(digest)) AS mix FROM mix WHERE mix_id IN (SELECT id FROM descended WHERE kind = 'mix') ORDER BY mix_id
