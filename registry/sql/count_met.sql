-- count_met: how many of the other registry's texts and documents are held here already.
SELECT (SELECT count(*) FROM met_text WHERE NOT is_new) AS texts,
       (SELECT count(*) FROM met_document WHERE NOT is_new) AS documents
