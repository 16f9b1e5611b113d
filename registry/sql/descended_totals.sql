-- descended_totals: how many documents came of those that a walk began with, by derivation and by the pens of models.
SELECT count(*) FILTER (made_of) AS derived, count(*) FILTER (NOT made_of) AS written, count(DISTINCT text_id) AS texts,
       coalesce(sum(bytes), 0)::BIGINT AS bytes
FROM (
    SELECT text_id, bytes, document_id IN (SELECT id FROM descended WHERE kind = 'document') AS made_of
    FROM document
    WHERE document_id IN (SELECT document_id FROM descended_document)
      AND document_id NOT IN (SELECT id FROM descended WHERE kind = 'document' AND step = 0)
)
