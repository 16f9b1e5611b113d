-- ancestor_texts: the documents behind a mix that are not in it, with where each came from.
SELECT text, provenance
FROM exported
WHERE text IS NOT NULL
  AND document_id IN (SELECT id FROM ancestor WHERE kind = 'document')
  AND document_id NOT IN (SELECT document_id FROM mix_document WHERE mix_id = (SELECT mix_id FROM asked))
ORDER BY provenance.document
