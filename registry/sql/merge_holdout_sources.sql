-- merge_holdout_sources: sources that are held out there, of now on held out here; one that is already keeps its name.
INSERT INTO holdout_source (source_id, name, batch_id)
SELECT met_source.source_id, min(theirs.name), $batch_id
FROM their_holdout_source AS theirs
JOIN met_source ON met_source.theirs = theirs.source_id
WHERE met_source.source_id NOT IN (SELECT source_id FROM holdout_source)
GROUP BY met_source.source_id
