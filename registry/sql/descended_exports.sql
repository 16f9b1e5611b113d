-- descended_exports: the files that hold what a walk began with, or what came of it.
WITH began AS (
    SELECT document_id, text_id, batch_id
    FROM document
    WHERE document_id IN (SELECT id FROM descended WHERE kind = 'document' AND step = 0)
)
SELECT handed_out.kind, path, lower(hex(mix.digest)) AS mix, batch.made_at
FROM handed_out
JOIN batch USING (batch_id)
LEFT JOIN mix USING (mix_id)
WHERE mix_id IN (SELECT id FROM descended WHERE kind = 'mix')
   OR (mix_id IS NULL AND handed_out.kind <> 'held-out texts'
       AND handed_out.batch_id >= (SELECT min(batch_id) FROM began))
   OR (handed_out.kind = 'held-out texts' AND EXISTS (FROM began JOIN holdout USING (text_id)))
ORDER BY handed_out.batch_id, path
