-- known_texts: the texts that a document of known origin has, and that have a fingerprint.
SELECT DISTINCT text_id FROM document SEMI JOIN fingerprint USING (text_id) WHERE origin IN ('human', 'model')
