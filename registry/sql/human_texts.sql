-- human_texts: each text that a human document has, but for those held out under another name, with the keys of an order.
SELECT text_id, digest, ('0x' || hex(digest)[1:16])::UBIGINT AS rank, key0, key1, key2, key3
FROM text
CROSS JOIN hold_out_key AS asked
WHERE text_id IN (SELECT text_id FROM document WHERE origin = 'human')
  AND text_id NOT IN (SELECT text_id FROM holdout WHERE holdout.name <> asked.name)
