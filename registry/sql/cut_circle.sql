-- cut_circle: leave out the derivations of a batch by which documents would be their own ancestors.
DELETE FROM derivation
WHERE batch_id = $batch_id AND (3 * child_id, 3 * parent_id) IN (SELECT (child, parent) FROM circle)
