-- contaminated_mixes: the mixes that hold held-out texts, or what descends from them, and how much of each.
SELECT lower(hex(mix.digest)) AS mix, made_at, coalesce(held.names, []) AS names, found.documents, found.held_out, found.descended
FROM (
    SELECT mix_id, count(*) AS documents,
           count(*) FILTER (text_id IN (SELECT text_id FROM holdout)) AS held_out,
           count(*) FILTER (document_id IN (SELECT document_id FROM descended_document)) - held_out AS descended
    FROM mix_document
    JOIN document USING (document_id)
    WHERE mix_id IN (SELECT id FROM descended WHERE kind = 'mix') AND ($mix_id IS NULL OR mix_id = $mix_id)
    GROUP BY mix_id
) AS found
JOIN mix ON mix.mix_id = found.mix_id
LEFT JOIN (
    SELECT mix_id, list(DISTINCT name ORDER BY name) AS names
    FROM mix_document
    JOIN document USING (document_id)
    JOIN holdout USING (text_id)
    GROUP BY mix_id
) AS held ON held.mix_id = found.mix_id
ORDER BY mix.mix_id
