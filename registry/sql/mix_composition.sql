-- mix_composition: a mix by origin, generation, source, licence and generator.
SELECT origin, document.generation, document.generation_exact, source.name AS source, license.name AS license,
       model.name AS generator, count(*) AS documents, sum(bytes)::BIGINT AS bytes, sum(words)::BIGINT AS words
FROM mix_document
JOIN document USING (document_id)
LEFT JOIN source USING (source_id)
LEFT JOIN license USING (license_id)
LEFT JOIN model ON model.model_id = document.model_id
WHERE mix_id = $mix_id
GROUP BY ALL
ORDER BY origin, document.generation, source, license, generator
