-- stage_duplicate: the documents that another one of their cluster stands for, but for those of spared sources.
CREATE OR REPLACE TEMP TABLE duplicate AS
SELECT document_id
FROM member
JOIN document USING (document_id)
LEFT JOIN source ON source.source_id = document.source_id
LEFT JOIN model ON model.model_id = document.model_id
WHERE NOT survives
  AND NOT EXISTS (
      FROM spared
      WHERE spared.name IS NOT DISTINCT FROM coalesce(source.name, model.name)
        AND spared.is_source = (source.name IS NOT NULL)
  )
