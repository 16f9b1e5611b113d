-- outranked: how many documents were declared anew of which a declaration of higher precedence stays in force.
SELECT count(DISTINCT document_id)
FROM declaration
JOIN declaring USING (document_id)
CROSS JOIN said
WHERE declaration.precedence > said.precedence
