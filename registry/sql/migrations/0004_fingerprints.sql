-- fingerprints: what near-duplicates are found by, and the texts that are near to held-out ones.

-- fingerprint: the MinHash signature of a text, as the setting `fingerprint` says, and the keys of its bands; a text
-- without a word has an empty signature and no keys.
CREATE TABLE fingerprint (text_id BIGINT NOT NULL, signature UINTEGER[] NOT NULL, keys UBIGINT[] NOT NULL);

-- near_holdout: texts near to a held-out one, which are kept out of mixes like it.
CREATE TABLE near_holdout (text_id BIGINT NOT NULL, near_id BIGINT NOT NULL, jaccard DOUBLE NOT NULL,
                           containment DOUBLE NOT NULL, batch_id BIGINT NOT NULL);
