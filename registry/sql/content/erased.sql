-- content/erased: rows whose content is gone, by the digest that they had.
SELECT asked.batch_id, key, netstring(kind) || netstring(row_digest) AS body FROM erased JOIN asked ON asked.batch_id = erased_in
