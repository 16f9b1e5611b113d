-- stage_changed: what was attributed otherwise than what is in force says, or for the first time.
CREATE OR REPLACE TEMP TABLE changed AS
SELECT document_id, p_model, evidence
FROM attributed
ANTI JOIN (
    SELECT document_id, newest.p_model AS p_model, newest.evidence AS evidence
    FROM (
        SELECT document_id, arg_max({'p_model': p_model, 'evidence': evidence::VARCHAR}, batch_id) AS newest
        FROM attribution
        GROUP BY document_id
    )
) AS in_force USING (document_id, p_model, evidence)
