-- first_in_circle: a document that would be its own ancestor.
SELECT item FROM document JOIN circle ON child = 3 * document_id ORDER BY digest LIMIT 1
