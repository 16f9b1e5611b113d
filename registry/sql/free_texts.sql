-- free_texts: texts after one, and those signed just now, that are neither held out nor noted as near to a held-out one.
SELECT text_id
FROM text
WHERE (text_id > $newest OR text_id IN (SELECT text_id FROM signed))
  AND text_id NOT IN (SELECT text_id FROM holdout) AND text_id NOT IN (SELECT text_id FROM near_holdout)
