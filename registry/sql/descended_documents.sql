-- descended_documents: every document that came of what a walk began with, and by how many steps.
SELECT lower(hex(document.digest)) AS digest, item, origin, document.generation, document.generation_exact,
       source.name AS source, model.name AS generator, came.steps
FROM (
    SELECT document_id, min(step)::INTEGER AS steps
    FROM (
        SELECT id AS document_id, step FROM descended WHERE kind = 'document'
        UNION ALL
        SELECT document_id, step + 1
        FROM document
        JOIN descended ON descended.kind = 'model' AND descended.id = document.model_id
    )
    GROUP BY document_id
    HAVING min(step) > 0
) AS came
JOIN document USING (document_id)
LEFT JOIN source USING (source_id)
LEFT JOIN model ON model.model_id = document.model_id
ORDER BY document.digest
