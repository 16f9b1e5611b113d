-- descended_mix_shares: the mixes that a walk met, and how much of each is what it began with or what came of that.
WITH met AS (
    SELECT id AS mix_id, step FROM descended WHERE kind = 'mix'
), found AS (
    SELECT mix_id, count(*) AS documents, sum(bytes) AS bytes, count(*) FILTER (is_direct) AS direct
    FROM (
        SELECT mix_id, bytes, document_id IN (SELECT id FROM descended WHERE kind = 'document' AND step = 0) AS is_direct
        FROM mix_document
        JOIN document USING (document_id)
        WHERE mix_id IN (SELECT mix_id FROM met) AND document_id IN (SELECT document_id FROM descended_document)
    )
    GROUP BY mix_id
), whole AS (
    SELECT mix_id, sum(documents) AS documents, sum(bytes) AS bytes FROM mix_composition WHERE NOT as_drawn GROUP BY mix_id
)
SELECT lower(hex(digest)) AS mix, step AS steps, coalesce(found.documents, 0)::BIGINT AS documents,
       coalesce(found.bytes, 0)::BIGINT AS bytes, coalesce(direct, 0)::BIGINT AS direct,
       coalesce(whole.documents, 0)::BIGINT AS of_documents, coalesce(whole.bytes, 0)::BIGINT AS of_bytes,
       coalesce(found.documents / whole.documents, 0) AS share_documents,
       coalesce(found.bytes / whole.bytes, 0) AS share_bytes
FROM met
JOIN mix USING (mix_id)
LEFT JOIN found USING (mix_id)
LEFT JOIN whole USING (mix_id)
ORDER BY steps, mix
