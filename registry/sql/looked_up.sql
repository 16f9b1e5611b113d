-- looked_up: each row that was looked up, with its best match, and the best ones of other origins or held out.
WITH held AS (
    SELECT text_id, list(DISTINCT name ORDER BY name) AS names FROM holdout SEMI JOIN found USING (text_id) GROUP BY text_id
), ranked AS (
    SELECT asked_id, text_id, is_exact, jaccard, containment, names, lower(hex(digest)) AS text,
           containment * least(shingles, their_shingles) AS shared,
           CASE WHEN is_exact OR shared >= $share * greatest(shingles, their_shingles) THEN 'copies whole'
                WHEN shared >= $share * shingles THEN 'copies part'
                WHEN shared >= $share * their_shingles THEN 'contains'
                ELSE 'resembles' END AS how,
           row_number() OVER (PARTITION BY asked_id ORDER BY is_exact DESC, jaccard DESC, digest) AS rank
    FROM found
    JOIN text USING (text_id)
    LEFT JOIN held USING (text_id)
), told AS (
    SELECT asked_id, 1 AS rank FROM ranked
    UNION
    SELECT asked_id, min(rank) FROM ranked JOIN saying USING (text_id) GROUP BY asked_id, origin
    UNION
    SELECT asked_id, min(rank) FROM ranked WHERE names IS NOT NULL GROUP BY asked_id
), sayings AS (
    SELECT text_id, list({
        'origin': origin, 'generation': generation, 'generation_exact': generation_exact, 'generator': generator,
        'source': source, 'license': license, 'id': id, 'document': document, 'documents': documents
    } ORDER BY place) AS sayings
    FROM saying
    GROUP BY text_id
), best AS (
    SELECT *
    FROM ranked
    JOIN told USING (asked_id, rank)
    LEFT JOIN (FROM saying WHERE place = 1) AS named USING (text_id)
    LEFT JOIN sayings USING (text_id)
), others AS (
    SELECT asked_id, list({
        'is_exact': is_exact, 'jaccard': jaccard, 'containment': containment, 'how': how, 'text': text,
        'origin': origin, 'generation': generation, 'generation_exact': generation_exact, 'generator': generator,
        'source': source, 'license': license, 'id': id, 'document': document, 'held_out': coalesce(names, [])
    } ORDER BY rank) AS others
    FROM best
    WHERE rank > 1
    GROUP BY asked_id
), origins AS (
    SELECT asked_id, list(DISTINCT origin ORDER BY origin) AS origins FROM found JOIN saying USING (text_id) GROUP BY asked_id
), leaks AS (
    SELECT asked_id, list(DISTINCT name ORDER BY name) AS held_out FROM found JOIN holdout USING (text_id) GROUP BY asked_id
), sizes AS (
    SELECT asked_id, count(*) AS matches FROM found GROUP BY asked_id
)
SELECT input, asked_row.place, item AS id, lower(hex(asked_row.digest)) AS digest, asked_row.bytes, fault,
       CASE WHEN fault IS NOT NULL THEN 'bad' WHEN asked_row.bytes = 0 THEN 'empty' WHEN is_exact THEN 'exact'
            WHEN jaccard IS NOT NULL THEN 'near' ELSE 'none' END AS match,
       how, jaccard, containment, text AS matched_text, best.id AS matched_id, document AS matched_document, origin,
       generation, generation_exact, generator, source, license, coalesce(sizes.matches, 0) AS matches,
       coalesce(origins, []) AS origins, coalesce(held_out, []) AS held_out, coalesce(sayings, []) AS sayings,
       coalesce(others, []) AS others
FROM asked_row
LEFT JOIN (FROM best WHERE rank = 1) AS best USING (asked_id)
LEFT JOIN others USING (asked_id)
LEFT JOIN origins USING (asked_id)
LEFT JOIN leaks USING (asked_id)
LEFT JOIN sizes USING (asked_id)
ORDER BY number
