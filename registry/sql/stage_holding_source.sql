-- stage_holding_source: the texts of the documents of a source.
CREATE OR REPLACE TEMP TABLE holding AS SELECT DISTINCT text_id FROM document WHERE source_id = $source_id
