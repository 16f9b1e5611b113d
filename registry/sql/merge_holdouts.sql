-- merge_holdouts: texts that are held out there, of now on held out here; one that is held out already keeps its name.
INSERT INTO holdout (text_id, name, batch_id)
SELECT met_text.text_id, min(theirs.name), $batch_id
FROM their_holdout AS theirs
JOIN met_text ON met_text.theirs = theirs.text_id
WHERE met_text.text_id NOT IN (SELECT text_id FROM holdout)
GROUP BY met_text.text_id
