-- restore_texts: an erased text has its content again where it arrives in a document that no withdrawal covers.
UPDATE text
SET content = arrived.content
FROM (
    SELECT text_digest, any_value(content) AS content
    FROM arriving
    JOIN returning_text ON returning_text.digest = text_digest
    WHERE arriving.digest NOT IN (SELECT digest FROM known)
    GROUP BY text_digest
) AS arrived
WHERE text.digest = arrived.text_digest AND text.content IS NULL
