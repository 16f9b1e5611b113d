-- kept_keys_between: the keys that the registry keeps of the texts from one to another.
SELECT text_id, unnest(keys) AS key FROM fingerprint WHERE text_id BETWEEN $first AND $last
