-- stage_keyed: the keys that several texts have, one of them asked for, and how many have each.
CREATE OR REPLACE TEMP TABLE keyed AS
WITH met AS (
    SELECT text_id, is_asked, key FROM band_key JOIN near_text USING (text_id)
), shared AS (
    SELECT key, count(*) AS size FROM met GROUP BY key HAVING count(*) > 1 AND bool_or(is_asked)
)
SELECT key, text_id, is_asked, size FROM met JOIN shared USING (key)
