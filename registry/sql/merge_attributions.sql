-- merge_attributions: what is in force there of documents that have no attribution here.
INSERT INTO attribution (document_id, p_model, evidence, batch_id)
SELECT document_id, newest.p_model, newest.evidence, $batch_id
FROM (
    SELECT document_id AS theirs, arg_max({'p_model': p_model, 'evidence': evidence}, batch_id) AS newest
    FROM their_attribution
    GROUP BY document_id
)
JOIN met_document USING (theirs)
WHERE document_id NOT IN (SELECT document_id FROM attribution)
