-- stage_crowded: keys of more texts than are compared each with each, the texts of each in the order of their digests.
-- Strange ones come after them, in the order in which they are asked for.
CREATE OR REPLACE TEMP TABLE crowded AS
SELECT key, text_id, is_asked, row_number() OVER (PARTITION BY key ORDER BY digest NULLS LAST, text_id DESC) AS place
FROM keyed
LEFT JOIN text USING (text_id)
WHERE size > $most
