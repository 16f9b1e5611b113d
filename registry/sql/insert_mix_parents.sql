-- insert_mix_parents: which models' texts the documents of each new mix, or of all `anew`, were made of by derivations.
INSERT INTO mix_parent (mix_id, model_id, steps)
WITH RECURSIVE forebear(mix_id, document_id, steps) AS (
    SELECT mix_id, parent_id, 1
    FROM mix_document
    JOIN derivation ON child_id = document_id
    WHERE $anew OR mix_id NOT IN (SELECT mix_id FROM mix_composition)
    UNION
    SELECT mix_id, parent_id, steps + 1 FROM forebear JOIN derivation ON child_id = document_id
)
SELECT mix_id, model_id, min(steps)
FROM forebear
JOIN document USING (document_id)
WHERE model_id IS NOT NULL
GROUP BY mix_id, model_id
