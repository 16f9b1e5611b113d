-- test_set_texts: the texts held out under a name, in the order of their digests, with where each came from.
SELECT text, provenance
FROM test_set
JOIN exported USING (document_id)
ORDER BY provenance.text
