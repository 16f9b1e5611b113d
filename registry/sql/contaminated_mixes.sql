-- contaminated_mixes: the mixes that hold held-out texts, near ones, or what descends from them, and how much of each.
WITH ruled AS (
    SELECT text_id, name, false AS is_near FROM holdout
    UNION ALL
    SELECT near_holdout.text_id, name, true
    FROM near_holdout
    JOIN holdout ON holdout.text_id = near_id
    WHERE near_holdout.text_id NOT IN (SELECT text_id FROM holdout)
)
SELECT lower(hex(mix.digest)) AS mix, made_at, names, documents, held_out, near, descended
FROM (
    SELECT mix_id, coalesce(list(DISTINCT name ORDER BY name) FILTER (name IS NOT NULL), []) AS names,
           count(*) AS documents, count(*) FILTER (NOT is_near) AS held_out, count(*) FILTER (is_near) AS near,
           count(*) FILTER (document_id IN (SELECT document_id FROM descended_document)) - held_out - near AS descended
    FROM mix_document
    JOIN document USING (document_id)
    LEFT JOIN ruled USING (text_id)
    WHERE mix_id IN (SELECT id FROM descended WHERE kind = 'mix') AND ($mix_id IS NULL OR mix_id = $mix_id)
    GROUP BY mix_id
) AS found
JOIN mix ON mix.mix_id = found.mix_id
ORDER BY mix.mix_id
