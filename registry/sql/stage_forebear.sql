-- stage_forebear: what the documents of each new mix, or of all `anew`, were made of, by one derivation.
CREATE OR REPLACE TEMP TABLE forebear AS
WITH fresh AS (
    SELECT mix_id FROM mix WHERE $anew OR mix_id NOT IN (SELECT mix_id FROM mix_composition)
)
SELECT DISTINCT mix_id, parent_id AS document_id, 1 AS steps
FROM fresh
JOIN mix_document USING (mix_id)
JOIN derivation ON child_id = document_id
