-- match_named: the documents that were named, each once.
CREATE OR REPLACE TEMP TABLE matching AS SELECT DISTINCT document_id FROM named_document
