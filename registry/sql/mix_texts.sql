-- mix_texts: the texts of a mix, in its order, with where each came from.
SELECT text, provenance
FROM mix_document
JOIN exported USING (document_id)
WHERE mix_id = (SELECT mix_id FROM asked)
ORDER BY position
