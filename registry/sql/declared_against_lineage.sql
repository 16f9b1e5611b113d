-- declared_against_lineage: documents whose declared generation their lineage rules out, and the first of them.
SELECT count(*) AS documents, arg_min(document.item, document_id) AS item,
       arg_min(document.generation, document_id) AS generation,
       arg_min(document.generation_exact, document_id) AS generation_exact
FROM declaring
JOIN document USING (document_id)
WHERE document.declared_generation = declaring.generation AND document.generation IS DISTINCT FROM declaring.generation
HAVING count(*) > 0
