-- declared_in_circle: documents that would be of a model which learnt from them, and the first of them.
SELECT count(*) AS documents, arg_min(item, document_id) AS item
FROM declaring
CROSS JOIN said
WHERE declaring.model = said.model AND document_id IN (SELECT id FROM ancestor WHERE kind = 'document')
HAVING count(*) > 0
