-- count_near_held_out: how many documents of a batch hold a text that is near to a held-out one, and not held out itself.
SELECT count(*)
FROM document
WHERE batch_id = $batch_id AND text_id IN (SELECT text_id FROM near_holdout)
  AND text_id NOT IN (SELECT text_id FROM holdout)
