-- stage_behind: the models that a document or what it was made of comes from, and all models and mixes behind those.
CREATE OR REPLACE TEMP TABLE behind AS
WITH RECURSIVE behind(kind, id) AS (
    SELECT DISTINCT 'model' AS kind, model_id AS id FROM document JOIN made_of USING (document_id) WHERE model_id IS NOT NULL
    UNION
    SELECT from_kind, from_id FROM learnt_from JOIN behind USING (kind, id)
)
SELECT kind, id FROM behind
