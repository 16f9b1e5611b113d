-- unheld_mixes: the other registry's mixes whose documents are known there, and not here.
SELECT mix_id
FROM their_mix
WHERE NOT is_foreign AND digest NOT IN (SELECT digest FROM mix WHERE NOT is_foreign)
ORDER BY mix_id
