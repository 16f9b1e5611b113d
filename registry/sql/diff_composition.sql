-- diff_composition: where two mixes differ in what they are made of.
SELECT origin, document.generation, document.generation_exact, source.name AS source, model.name AS generator,
       count(*) FILTER (mix_id = $before) AS before, count(*) FILTER (mix_id = $after) AS after
FROM mix_document
JOIN document USING (document_id)
LEFT JOIN source USING (source_id)
LEFT JOIN model ON model.model_id = document.model_id
WHERE mix_id IN ($before, $after)
GROUP BY ALL
HAVING before <> after
ORDER BY ALL
