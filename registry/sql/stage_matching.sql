-- stage_matching: the documents that a filter lets through.
CREATE OR REPLACE TEMP TABLE matching AS SELECT document_id FROM let_through
