-- erased_of_mix: how many documents of a mix have no text any more, and the bytes that it had.
SELECT count(*) AS documents, coalesce(sum(bytes), 0)::BIGINT AS bytes
FROM mix_document
JOIN document USING (document_id)
WHERE mix_id = $mix_id AND text_id IN (SELECT text_id FROM text WHERE content IS NULL)
