-- erased_there: how many texts have their content here, and were erased in the other registry.
SELECT count(*)
FROM their_missing AS missing
JOIN met_text ON met_text.theirs = missing.text_id
WHERE NOT is_new AND met_text.text_id NOT IN (SELECT text_id FROM text WHERE content IS NULL)
