-- cut_mixes: the other registry's mixes that come without their documents, since one of those was left out.
SELECT lower(hex(digest))
FROM their_mix
WHERE NOT is_foreign AND digest NOT IN (SELECT digest FROM mix WHERE NOT is_foreign)
  AND mix_id NOT IN (SELECT mix_id FROM their_mix_document)
