-- insert_mix_parents: by which models the forebears of each mix were written, and the least number of derivations to them.
INSERT INTO mix_parent (mix_id, model_id, steps)
SELECT mix_id, model_id, min(steps)
FROM forebear
JOIN document USING (document_id)
WHERE model_id IS NOT NULL
GROUP BY mix_id, model_id
