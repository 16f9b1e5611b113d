-- drop_stray_texts: texts that came in with rows which were left out afterwards.
DELETE FROM text
WHERE text_id > $newest AND text_id NOT IN (SELECT text_id FROM document WHERE batch_id = $batch_id)
