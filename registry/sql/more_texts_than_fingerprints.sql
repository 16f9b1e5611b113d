-- more_texts_than_fingerprints: whether some text has no fingerprint, be its content held or erased.
SELECT (SELECT count(*) FROM text) > (SELECT count(*) FROM fingerprint)
