-- realised_mix: each document of a mix, who truly wrote it by `truth`, and how probably a model did by attributions.
-- Once each, with how often it is in the mix and its size in the unit of the mix; later attributions are not asked.
WITH attributed AS (
    SELECT document_id, max_by(p_model, batch_id) AS p_model
    FROM attribution
    WHERE batch_id <= (SELECT as_of_batch_id FROM mix WHERE mix_id = $mix_id)
    GROUP BY document_id
)
SELECT any_value(item) AS item, count(*) AS times, truth.origin, any_value(p_model) AS p_model,
       any_value(CASE $unit WHEN 'documents' THEN 1 WHEN 'bytes' THEN document.bytes WHEN 'words' THEN document.words
                            ELSE tokens END) AS size
FROM mix_document
JOIN document USING (document_id)
LEFT JOIN truth USING (item)
LEFT JOIN attributed USING (document_id)
LEFT JOIN (SELECT text_id, tokens FROM length WHERE tokenizer_id = $tokenizer_id) AS length USING (text_id)
WHERE mix_id = $mix_id
GROUP BY document_id, truth.origin
ORDER BY document_id
