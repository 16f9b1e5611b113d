-- stage_met_names: what is known by name or digest in the other registry, by the ids it has here.
CREATE OR REPLACE TEMP TABLE met_source AS
SELECT theirs.source_id AS theirs, source.source_id FROM their_source AS theirs JOIN source USING (name);
CREATE OR REPLACE TEMP TABLE met_license AS
SELECT theirs.license_id AS theirs, license.license_id FROM their_license AS theirs JOIN license USING (name);
CREATE OR REPLACE TEMP TABLE met_model AS
SELECT theirs.model_id AS theirs, model.model_id FROM their_model AS theirs JOIN model USING (digest);
CREATE OR REPLACE TEMP TABLE met_run AS
SELECT theirs.run_id AS theirs, run.run_id FROM their_run AS theirs JOIN run USING (digest);
CREATE OR REPLACE TEMP TABLE met_mix AS
SELECT theirs.mix_id AS theirs, mix.mix_id FROM their_mix AS theirs JOIN mix USING (digest);
CREATE OR REPLACE TEMP TABLE met_tokenizer AS
SELECT theirs.tokenizer_id AS theirs, tokenizer.tokenizer_id FROM their_tokenizer AS theirs JOIN tokenizer USING (digest);
CREATE OR REPLACE TEMP TABLE met_field AS
SELECT theirs.field_id AS theirs, held.field_id
FROM their_annotated_field AS theirs
JOIN annotated_field AS held USING (name, kind);
