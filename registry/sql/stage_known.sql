-- stage_known: the arriving documents that the registry holds already.
CREATE OR REPLACE TEMP TABLE known AS
SELECT arriving.digest, document.document_id
FROM arriving
JOIN document ON document.digest = arriving.digest
