-- size_of_texts: how many documents there are, and their bytes of text.
SELECT count(*), coalesce(sum(bytes), 0)::BIGINT FROM document
