-- found_texts: the texts of the registry that something asked for is a copy of.
SELECT DISTINCT text_id FROM found
