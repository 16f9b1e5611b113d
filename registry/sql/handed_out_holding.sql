-- handed_out_holding: the files that hold a text that is being withdrawn: of a mix, of all behind one, of a test, of a whole registry.
WITH holding AS (
    SELECT document_id, batch_id FROM document WHERE text_id IN (SELECT text_id FROM withdrawing)
)
SELECT handed_out.kind, path, lower(hex(mix.digest)) AS mix
FROM handed_out
LEFT JOIN mix USING (mix_id)
WHERE (mix_id IS NULL AND handed_out.kind <> 'held-out texts'
       AND handed_out.batch_id >= (SELECT min(batch_id) FROM holding))
   OR (handed_out.kind = 'held-out texts' AND EXISTS (FROM withdrawing JOIN holdout USING (text_id)))
   OR mix_id IN (SELECT mix_id FROM mix_document WHERE document_id IN (SELECT document_id FROM holding))
   OR (handed_out.kind = 'export with lineage' AND mix_id IN (SELECT id FROM descended WHERE kind = 'mix'))
ORDER BY handed_out.batch_id, path
