-- trial_documents: every document of `matching`, what is true of it, and why it cannot be in a blind trial.
SELECT document_id, document.digest AS original, origin, document.generation, document.generation_exact, model.name AS generator,
       source.name AS source, words, bytes,
       CASE
           WHEN origin IN ('unknown', 'mixed') THEN origin
           WHEN document_id IN (SELECT document_id FROM withdrawn) THEN 'withdrawn'
           WHEN content IS NULL THEN 'erased'
       END AS left_out
FROM document
JOIN matching USING (document_id)
JOIN text USING (text_id)
LEFT JOIN model USING (model_id)
LEFT JOIN source USING (source_id)
ORDER BY document.digest
