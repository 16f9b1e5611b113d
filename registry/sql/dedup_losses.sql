-- dedup_losses: of each source, or model where there is none, how many documents are not the survivors of their cluster.
WITH named AS (
    SELECT document_id, coalesce(source.name, model.name) AS name, source.name IS NOT NULL AS is_source
    FROM deduped
    JOIN document USING (document_id)
    LEFT JOIN source ON source.source_id = document.source_id
    LEFT JOIN model ON model.model_id = document.model_id
), lost AS (
    SELECT document_id FROM member WHERE NOT survives
)
SELECT name, is_source, count(*) AS documents, count(lost.document_id) AS duplicates
FROM named
LEFT JOIN lost ON lost.document_id = named.document_id
GROUP BY name, is_source
HAVING duplicates > 0
ORDER BY duplicates / documents DESC, name NULLS LAST
