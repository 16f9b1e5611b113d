-- lineage_compositions: what each mix behind a document is made of, as known now.
SELECT mix_id, origin, mix_composition.generation, mix_composition.generation_exact, model.name AS generator,
       sum(documents)::BIGINT AS documents, sum(bytes)::BIGINT AS bytes, sum(words)::BIGINT AS words
FROM mix_composition
LEFT JOIN model USING (model_id)
WHERE NOT as_drawn AND mix_id IN (SELECT id FROM behind WHERE kind = 'mix')
GROUP BY ALL
ORDER BY mix_id, origin, generation, generation_exact DESC, generator
