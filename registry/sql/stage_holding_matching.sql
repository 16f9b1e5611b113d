-- stage_holding_matching: the texts of the documents that a filter let through.
CREATE OR REPLACE TEMP TABLE holding AS SELECT DISTINCT text_id FROM document JOIN matching USING (document_id)
