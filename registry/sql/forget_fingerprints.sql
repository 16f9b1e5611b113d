-- forget_fingerprints: drop those of texts whose content is not held, or all of them.
DELETE FROM fingerprint WHERE $every OR text_id NOT IN (SELECT text_id FROM text WHERE content IS NOT NULL)
