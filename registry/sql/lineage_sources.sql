-- lineage_sources: the human documents of each mix behind a document, per source, each as often as the mix holds it.
SELECT mix_id, source.name AS source, sum(documents)::BIGINT AS documents
FROM mix_composition
LEFT JOIN source USING (source_id)
WHERE NOT as_drawn AND origin = 'human' AND mix_id IN (SELECT id FROM behind WHERE kind = 'mix')
GROUP BY mix_id, source.name
ORDER BY mix_id, source
