-- mixes_with_erased: the mixes that hold texts which were erased.
SELECT lower(hex(digest))
FROM mix
WHERE mix_id IN (
    SELECT mix_id
    FROM mix_document
    JOIN document USING (document_id)
    WHERE text_id IN (SELECT text_id FROM text WHERE content IS NULL)
)
ORDER BY digest
