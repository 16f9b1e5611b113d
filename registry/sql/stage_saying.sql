-- stage_saying: what documents say of some texts, each saying once; the first is human, or of the least generation.
CREATE OR REPLACE TEMP TABLE saying AS
WITH said AS (
    SELECT text_id, origin, document.generation, document.generation_exact, model.name AS generator,
           source.name AS source, license.name AS license, arg_min(item, document.digest) AS id,
           lower(hex(min(document.digest))) AS document, count(*) AS documents
    FROM document
    JOIN told_text USING (text_id)
    LEFT JOIN source USING (source_id)
    LEFT JOIN license USING (license_id)
    LEFT JOIN model ON model.model_id = document.model_id
    GROUP BY text_id, origin, document.generation, document.generation_exact, model.name, source.name, license.name
)
SELECT *, row_number() OVER (
              PARTITION BY text_id ORDER BY origin <> 'human', origin = 'unknown', generation NULLS LAST, document
          ) AS place
FROM said
