-- texts_without_content: the texts whose content is not held.
SELECT text_id FROM text WHERE content IS NULL
