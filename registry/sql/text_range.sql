-- text_range: the first and the last text that has a fingerprint.
SELECT coalesce(min(text_id), 0), coalesce(max(text_id), -1) FROM fingerprint
