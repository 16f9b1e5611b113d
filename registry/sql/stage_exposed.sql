-- stage_exposed: start a walk from all documents of one text to what was made of them.
CREATE OR REPLACE TEMP TABLE exposed AS
SELECT document_id, 0 AS step FROM document WHERE text_id = $text_id
