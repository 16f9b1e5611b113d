-- dedup_members: documents of some clusters, the largest clusters first, in each the survivor first.
SELECT dense_rank() OVER (ORDER BY members DESC, survivor) AS cluster, members, survives,
       duplicate.document_id IS NOT NULL AS duplicate, why, jaccard, containment, item AS id,
       lower(hex(document.digest)) AS document, lower(hex(text.digest)) AS text, origin, document.generation,
       document.generation_exact, model.name AS generator, source.name AS source, license.name AS license,
       created_at AS created, bytes, words, content[1:$excerpt] AS excerpt
FROM (
    FROM member
    WHERE $most IS NULL OR place <= $most
    QUALIFY $clusters IS NULL OR dense_rank() OVER (ORDER BY members DESC, survivor) <= $clusters
) AS member
JOIN document USING (document_id, text_id)
JOIN text ON text.text_id = member.text_id
LEFT JOIN duplicate ON duplicate.document_id = member.document_id
LEFT JOIN model ON model.model_id = document.model_id
LEFT JOIN source ON source.source_id = document.source_id
LEFT JOIN license ON license.license_id = document.license_id
ORDER BY cluster, standing
