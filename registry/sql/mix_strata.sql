-- mix_strata: of which stratum of its spec each text of a mix is, in its order.
SELECT stratum
FROM mix_document
JOIN document USING (document_id)
JOIN text USING (text_id)
WHERE mix_id = $mix_id AND content IS NOT NULL
ORDER BY position
