-- insert_attributions: what documents are attributed to from now on.
INSERT INTO attribution (document_id, p_model, evidence, batch_id)
SELECT document_id, p_model, evidence, $batch_id FROM changed ORDER BY document_id
