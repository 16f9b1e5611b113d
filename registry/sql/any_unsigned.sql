-- any_unsigned: whether any text that is held has no fingerprint.
WITH unsigned AS MATERIALIZED (
    SELECT text_id FROM text WHERE text_id NOT IN (SELECT text_id FROM fingerprint)
)
SELECT EXISTS (FROM text WHERE text_id IN (SELECT text_id FROM unsigned) AND content IS NOT NULL)
