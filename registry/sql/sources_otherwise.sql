-- sources_otherwise: how many sources the other registry knows another URL or consent of.
SELECT count(*)
FROM their_source AS theirs
JOIN source USING (name)
WHERE theirs.url <> coalesce(source.url, '') OR theirs.consent <> coalesce(source.consent, '')
