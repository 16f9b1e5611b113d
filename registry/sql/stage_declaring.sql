-- stage_declaring: of each matching document what `said` makes of it; what is not said stays as it is in force.
CREATE OR REPLACE TEMP TABLE declaring AS
WITH held AS (
    SELECT document.document_id, item, run_id, document.license_id, coalesce(said.origin, document.origin) AS origin,
           CASE WHEN coalesce(said.origin, document.origin) IN ('model', 'mixed')
                THEN coalesce(said.generation, declared_generation)
           END AS generation,
           model.digest AS model, model.name AS generator,
           -- Of a model that is known by name and generation alone, the generation is declared along with the name.
           coalesce(model.digest = foreign_model_digest(model.name, model.generation), false) AS is_nominal
    FROM matching
    JOIN document USING (document_id)
    LEFT JOIN model ON model.model_id = document.model_id
    CROSS JOIN said
)
SELECT document_id, item, run_id, held.origin, held.generation, coalesce(said.license_id, held.license_id) AS license_id,
       coalesce(said.generator, held.generator) AS generator,
       CASE
           WHEN held.origin NOT IN ('model', 'mixed') OR coalesce(said.generator, held.generator) IS NULL THEN NULL
           WHEN run_id IS NOT NULL THEN held.model
           WHEN said.model IS NOT NULL THEN said.model
           WHEN coalesce(said.generator, held.generator) = held.generator
                AND (said.generation IS NULL OR NOT is_nominal) THEN held.model
           ELSE foreign_model_digest(coalesce(said.generator, held.generator), held.generation)
       END AS model
FROM held
CROSS JOIN said
