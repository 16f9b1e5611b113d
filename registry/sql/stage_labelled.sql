-- stage_labelled: so many texts of each origin, those that come first in the seeded order.
CREATE OR REPLACE TEMP TABLE labelled AS
SELECT document_id, text_id, is_model, place
FROM placed
QUALIFY row_number() OVER (PARTITION BY is_model ORDER BY place, rank) <= $most
