-- verify_texts: every text, what is wrong with it, and the fewest and most words that its documents say it has.
-- Content may be missing where every document of the text was covered by a withdrawal that erased.
WITH rule AS (
    SELECT scope, value, CASE WHEN scope IN ('text', 'document') THEN unhex(value) END AS digest FROM withdrawal WHERE erased
), kept AS (
    SELECT text_id
    FROM document
    WHERE (SELECT count(*) FROM rule) = 0 OR (
        digest NOT IN (SELECT digest FROM rule WHERE scope = 'document')
        AND coalesce(source_id NOT IN (SELECT source_id FROM source JOIN rule ON value = name WHERE scope = 'source'), true)
        AND text_id NOT IN (SELECT text_id FROM text JOIN rule USING (digest) WHERE scope = 'text')
        AND document_id NOT IN (
            SELECT document_id
            FROM declaration
            JOIN license USING (license_id)
            JOIN rule ON value = license.name
            WHERE scope = 'license'
        )
    )
)
SELECT 'text ' || lower(hex(digest))[1:12] AS place, content, fewest_words, most_words,
       CASE
           WHEN content IS NULL AND NOT left_out AND text_id IN (SELECT text_id FROM kept)
               THEN 'its content is gone, and no withdrawal erased it'
           WHEN sha256(content) <> lower(hex(digest)) THEN 'its content is not the one that its digest names'
           WHEN strlen(content) <> fewest_bytes OR strlen(content) <> most_bytes
               THEN 'it has ' || strlen(content) || ' bytes, but its documents say '
                    || CASE WHEN strlen(content) <> fewest_bytes THEN fewest_bytes ELSE most_bytes END
       END AS what
FROM text
JOIN (
    SELECT text_id, min(bytes) AS fewest_bytes, max(bytes) AS most_bytes, min(words) AS fewest_words,
           max(words) AS most_words
    FROM document
    GROUP BY text_id
) AS said USING (text_id)
CROSS JOIN (SELECT count(*) > 0 AS left_out FROM setting WHERE name = 'texts') AS snapshot
