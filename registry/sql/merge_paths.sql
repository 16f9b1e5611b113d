-- merge_paths: where the weights of models lie that nobody told here.
UPDATE model
SET path = theirs.path
FROM their_model AS theirs
WHERE model.digest = theirs.digest AND model.path IS NULL AND theirs.path IS NOT NULL
