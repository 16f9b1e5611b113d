-- view_descended: every document that descends, with what its models wrote.
CREATE OR REPLACE TEMP VIEW descended_document AS
SELECT id AS document_id FROM descended WHERE kind = 'document'
UNION
SELECT document_id FROM document WHERE model_id IN (SELECT id FROM descended WHERE kind = 'model')
