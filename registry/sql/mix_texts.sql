-- mix_texts: the texts of a mix, in its order, with where each came from; those that were erased are not there.
SELECT text, provenance
FROM mix_document
JOIN exported USING (document_id)
WHERE mix_id = (SELECT mix_id FROM asked) AND text IS NOT NULL
ORDER BY position
