-- stage_theirs: empty tables for what another registry holds in bulk, by its own local ids.
CREATE OR REPLACE TEMP TABLE their_text AS SELECT text_id, digest FROM text WITH NO DATA;
CREATE OR REPLACE TEMP TABLE their_document AS
SELECT document_id, digest, text_id, source_id, run_id, origin, declared_generation, model_id, license_id,
       hash(url) AS url, hash(created_at) AS created_at, hash(metadata) AS metadata
FROM document
WITH NO DATA;
CREATE OR REPLACE TEMP TABLE their_declaration AS FROM declaration WITH NO DATA;
CREATE OR REPLACE TEMP TABLE their_derivation AS FROM derivation WITH NO DATA;
CREATE OR REPLACE TEMP TABLE their_length AS FROM length WITH NO DATA;
CREATE OR REPLACE TEMP TABLE their_annotation AS FROM annotation WITH NO DATA;
CREATE OR REPLACE TEMP TABLE their_holdout AS FROM holdout WITH NO DATA;
CREATE OR REPLACE TEMP TABLE their_measurement AS FROM measurement WITH NO DATA;
CREATE OR REPLACE TEMP TABLE their_picture AS FROM picture WITH NO DATA;
CREATE OR REPLACE TEMP TABLE their_detection AS FROM detection WITH NO DATA;
CREATE OR REPLACE TEMP TABLE their_attribution AS FROM attribution WITH NO DATA;
CREATE OR REPLACE TEMP TABLE their_mix_document AS FROM mix_document WITH NO DATA;
