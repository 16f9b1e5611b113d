-- count_drawable: how many documents a model of a name has written whose texts no rule keeps out of mixes.
SELECT count(*)
FROM document
WHERE model_id IN (SELECT model_id FROM model WHERE name = $name) AND text_id NOT IN (SELECT text_id FROM holdout)
  AND text_id NOT IN (SELECT text_id FROM near_holdout) AND document_id NOT IN (SELECT document_id FROM withdrawn)
