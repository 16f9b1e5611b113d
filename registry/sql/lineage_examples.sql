-- lineage_examples: a few human documents of each mix behind a document, the first in its order, from its start alone.
SELECT mix_id, item
FROM (
    SELECT mix_id, position, document_id
    FROM mix_document
    WHERE position < $reach AND mix_id IN (SELECT id FROM behind WHERE kind = 'mix')
)
JOIN document USING (document_id)
WHERE origin = 'human'
QUALIFY row_number() OVER (PARTITION BY mix_id ORDER BY position) <= $most
ORDER BY mix_id, position
