-- withhold_theirs: leave out the other registry's documents that a withdrawal here covers; one that is held stays known.
DELETE FROM their_document
WHERE document_id IN (
    WITH rule AS (
        SELECT scope, value, CASE WHEN scope IN ('text', 'document') THEN unhex(value) END AS digest FROM withdrawal
    )
    SELECT document_id
    FROM their_document AS theirs
    JOIN their_text USING (text_id)
    LEFT JOIN their_source AS source USING (source_id)
    LEFT JOIN their_license AS license USING (license_id)
    WHERE theirs.digest NOT IN (SELECT digest FROM document)
      AND (theirs.digest IN (SELECT digest FROM rule WHERE scope = 'document')
           OR their_text.digest IN (SELECT digest FROM rule WHERE scope = 'text')
           OR source.name IN (SELECT value FROM rule WHERE scope = 'source')
           OR license.name IN (SELECT value FROM rule WHERE scope = 'license'))
)
