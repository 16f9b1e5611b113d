-- stage_deduped: the documents among which duplicates are sought.
CREATE OR REPLACE TEMP TABLE deduped AS
SELECT document_id, text_id FROM document SEMI JOIN dedupable USING (document_id)
