-- insert_near_holdouts: note the texts that were found to be near to held-out ones.
INSERT INTO near_holdout (text_id, near_id, jaccard, containment, batch_id)
SELECT text_id, near_id, jaccard, containment, $batch_id FROM nearest ORDER BY text_id
