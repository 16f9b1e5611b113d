-- rules_of: the hold-out, be it of its text or of one near to it, and the withdrawals that cover a document, oldest first.
WITH wanted AS (
    SELECT document.digest, document.text_id, text.digest AS text_digest, content IS NULL AS is_gone, source.name AS source, license.name AS license
    FROM document
    JOIN text USING (text_id)
    LEFT JOIN source USING (source_id)
    LEFT JOIN license USING (license_id)
    WHERE document_id = $document_id
), ruled AS (
    SELECT 'held out' AS rule, holdout.name, NULL AS scope, NULL AS reason, batch_id FROM holdout JOIN wanted USING (text_id)
    UNION ALL
    SELECT 'near to held out', holdout.name, NULL,
           format('like text {}: Jaccard {:.3f}, containment {:.3f}', lower(hex(near.digest))[1:12], jaccard, containment),
           near_holdout.batch_id
    FROM near_holdout
    JOIN wanted USING (text_id)
    JOIN holdout ON holdout.text_id = near_id
    JOIN text AS near ON near.text_id = near_id
    UNION ALL
    SELECT CASE WHEN erased AND is_gone THEN 'withdrawn, erased' ELSE 'withdrawn' END,
           CASE WHEN scope IN ('source', 'license') THEN value ELSE value[1:12] END, scope, reason, batch_id
    FROM withdrawal
    JOIN wanted ON value = CASE scope WHEN 'document' THEN lower(hex(digest)) WHEN 'text' THEN lower(hex(text_digest))
                                      WHEN 'source' THEN source ELSE license END
)
SELECT rule, ruled.name, scope, reason, made_at
FROM ruled
JOIN batch USING (batch_id)
ORDER BY batch_id
