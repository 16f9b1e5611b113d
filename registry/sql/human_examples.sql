-- human_examples: a few human documents of a mix, the first in its order.
SELECT item
FROM mix_document
JOIN document USING (document_id)
WHERE mix_id = $mix_id AND origin = 'human'
ORDER BY position
LIMIT $most
