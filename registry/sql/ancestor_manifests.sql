-- ancestor_manifests: the documents of every mix behind an export, in its order.
SELECT lower(hex(mix.digest)) AS mix, position, lower(hex(document.digest)) AS document, stratum
FROM mix_document
JOIN mix USING (mix_id)
JOIN document USING (document_id)
WHERE mix_id IN (SELECT id FROM ancestor WHERE kind = 'mix')
ORDER BY mix.digest, position
