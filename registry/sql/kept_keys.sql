-- kept_keys: the keys of the bands that the registry keeps, and those of strange texts.
SELECT text_id, unnest(keys) AS key FROM (FROM fingerprint SELECT text_id, keys UNION ALL FROM strange SELECT text_id, keys)
