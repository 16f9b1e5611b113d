-- kept_keys_of: the keys that are kept of some texts, of the registry or strange.
SELECT text_id, unnest(keys) AS key
FROM (SELECT text_id, keys FROM fingerprint UNION ALL SELECT text_id, keys FROM strange)
JOIN asked USING (text_id)
