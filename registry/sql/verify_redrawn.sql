-- verify_redrawn: the first position at which a mix and the same mix drawn again differ, and in how many they do.
SELECT min(position) AS first, count(*) AS differing
FROM (SELECT position, document_id, stratum FROM mix_document WHERE mix_id = $mix_id) AS held
FULL JOIN redrawn USING (position)
WHERE (held.document_id, held.stratum) IS DISTINCT FROM (redrawn.document_id, redrawn.stratum)
