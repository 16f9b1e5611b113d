-- stage_drawn: what was chosen, all strata and turns in one seeded order.
CREATE OR REPLACE TEMP TABLE drawn AS
SELECT row_number() OVER (ORDER BY place, digest, turn) - 1 AS position, document_id, digest, stratum
FROM placed
