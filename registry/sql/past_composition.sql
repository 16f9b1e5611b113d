-- past_composition: what the mix that was just drawn is made of.
SELECT origin, generation, generation_exact, source_id, license_id, model_id, count(*) AS documents,
       sum(bytes)::BIGINT AS bytes, sum(words)::BIGINT AS words
FROM drawn
JOIN document USING (document_id)
GROUP BY ALL
