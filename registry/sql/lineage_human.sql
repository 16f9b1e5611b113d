-- lineage_human: the human documents behind a document per source, each as often as each mix holds it.
SELECT source.name AS source, sum(documents)::BIGINT AS documents, sum(bytes)::BIGINT AS bytes
FROM (
    SELECT source_id, documents, bytes
    FROM mix_composition
    WHERE NOT as_drawn AND origin = 'human' AND mix_id IN (SELECT id FROM behind WHERE kind = 'mix')
    UNION ALL
    SELECT source_id, 1, bytes
    FROM document
    WHERE origin = 'human' AND document_id IN (SELECT document_id FROM made_of)
)
LEFT JOIN source USING (source_id)
GROUP BY source.name
ORDER BY source
