-- stage_holding_first: the texts that come first in the seeded order.
CREATE OR REPLACE TEMP TABLE holding AS SELECT text_id FROM placed ORDER BY place, digest LIMIT $wanted
