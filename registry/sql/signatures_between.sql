-- signatures_between: the signatures of the texts from one to another that are of a word.
SELECT text_id, signature FROM fingerprint WHERE text_id BETWEEN $first AND $last AND len(keys) > 0
