-- give_texts: the texts that another registry wants, by the ids they have there.
SELECT wanted.text_id, digest, content
FROM text
JOIN wanted ON wanted.theirs = text.text_id
