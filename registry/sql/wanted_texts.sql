-- wanted_texts: which texts of the other registry are new here, and the ids they get.
SELECT theirs, text_id FROM met_text WHERE is_new
