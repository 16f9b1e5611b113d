-- stage_met_texts: the other registry's texts by the ids they have here; a new one's id follows all that are held.
CREATE OR REPLACE TEMP TABLE met_text AS
SELECT their_text.text_id AS theirs, text.text_id IS NULL AS is_new,
       coalesce(text.text_id, (SELECT coalesce(max(text_id), 0) FROM text) + their_text.text_id) AS text_id
FROM their_text
LEFT JOIN text ON text.digest = their_text.digest
WHERE their_text.text_id IN (SELECT text_id FROM their_document)
