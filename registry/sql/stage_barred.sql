-- stage_barred: every document that a rule keeps out of all mixes; being withdrawn comes before being held out.
CREATE OR REPLACE TEMP TABLE barred AS
SELECT document_id, CASE WHEN bool_or(is_withdrawn) THEN 'withdrawn' ELSE 'held_out' END AS barred_by
FROM (
    SELECT document_id, true AS is_withdrawn FROM withdrawn
    UNION ALL
    SELECT document_id, false FROM descended_document
)
GROUP BY document_id
