-- stage_made_of: start a walk from a document to all that it was made of.
CREATE OR REPLACE TEMP TABLE made_of AS SELECT $document_id::BIGINT AS document_id
