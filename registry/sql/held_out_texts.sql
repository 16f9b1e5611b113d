-- held_out_texts: the human texts that are held out, under any name.
SELECT content
FROM text
WHERE text_id IN (SELECT text_id FROM holdout) AND content IS NOT NULL
  AND text_id IN (SELECT text_id FROM document WHERE origin = 'human')
ORDER BY digest
