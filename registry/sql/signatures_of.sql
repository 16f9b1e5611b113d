-- signatures_of: the signatures of some texts, of the registry or strange, of those that are of a word.
SELECT text_id, signature FROM fingerprint JOIN asked USING (text_id) WHERE len(keys) > 0
UNION ALL
SELECT text_id, signature FROM strange JOIN asked USING (text_id) WHERE len(keys) > 0
