-- drop_held: a text is held out once, under its first name.
DELETE FROM holding WHERE text_id IN (SELECT text_id FROM holdout)
