-- trust: what is found out later, what may not be drawn, what was handed out, and what a mix was made of when drawn.

-- A declaration of higher precedence is in force; of one precedence, the one that was declared last.
ALTER TABLE declaration ADD COLUMN precedence INTEGER DEFAULT 0;
ALTER TABLE declaration ADD COLUMN declared_at TIMESTAMP;
UPDATE declaration SET precedence = 0, declared_at = made_at FROM batch WHERE batch.batch_id = declaration.batch_id;

-- What is in force stands in the document itself; here its generation, as declared.
ALTER TABLE document ADD COLUMN declared_generation INTEGER;
UPDATE document SET declared_generation = latest.generation
FROM latest_declaration AS latest
WHERE latest.document_id = document.document_id;
DROP VIEW latest_declaration;

-- Columns that a sidecar brought: each value stands in the column of its field's kind; the newest batch's counts.
CREATE TABLE annotated_field (field_id BIGINT NOT NULL, name VARCHAR NOT NULL, kind VARCHAR NOT NULL,
                              batch_id BIGINT NOT NULL);
CREATE TABLE annotation (document_id BIGINT NOT NULL, field_id BIGINT NOT NULL, batch_id BIGINT NOT NULL,
                         text VARCHAR, number DOUBLE, flag BOOLEAN, moment TIMESTAMP);

CREATE TABLE holdout (text_id BIGINT NOT NULL, name VARCHAR NOT NULL, batch_id BIGINT NOT NULL);
CREATE TABLE holdout_source (source_id BIGINT NOT NULL, name VARCHAR NOT NULL, batch_id BIGINT NOT NULL);
CREATE TABLE withdrawal (scope VARCHAR NOT NULL, value VARCHAR NOT NULL, reason VARCHAR NOT NULL,
                         erased BOOLEAN NOT NULL, batch_id BIGINT NOT NULL);

-- erased: rows of a batch that were changed or deleted by an erasure; their hashes keep the chain whole.
CREATE TABLE erased (batch_id BIGINT NOT NULL, kind VARCHAR NOT NULL, key BLOB NOT NULL, row_digest VARCHAR NOT NULL,
                     erased_in BIGINT NOT NULL);

CREATE TABLE handed_out (kind VARCHAR NOT NULL, path VARCHAR NOT NULL, mix_id BIGINT, batch_id BIGINT NOT NULL);

-- merged_batch: the chains of registries that were merged into this one, link by link.
CREATE TABLE merged_batch (registry VARCHAR NOT NULL, position BIGINT NOT NULL, kind VARCHAR NOT NULL,
                           made_at TIMESTAMP NOT NULL, tool_version VARCHAR NOT NULL, documents BIGINT NOT NULL,
                           bytes BIGINT NOT NULL, content_digest BLOB NOT NULL, previous_digest BLOB,
                           digest BLOB NOT NULL, batch_id BIGINT NOT NULL);

-- mix_composition: what each mix is made of, as it was when drawn and as it is known now.
CREATE TABLE mix_composition (
    mix_id BIGINT NOT NULL, as_drawn BOOLEAN NOT NULL, origin VARCHAR NOT NULL, generation INTEGER,
    generation_exact BOOLEAN NOT NULL, source_id BIGINT, license_id BIGINT, model_id BIGINT,
    documents BIGINT NOT NULL, bytes BIGINT NOT NULL, words BIGINT NOT NULL
);
INSERT INTO mix_composition
SELECT mix_id, as_drawn, origin, generation, generation_exact, source_id, license_id, model_id, count(*), sum(bytes),
       sum(words)
FROM mix_document
JOIN document USING (document_id)
CROSS JOIN (VALUES (true), (false)) AS moment(as_drawn)
GROUP BY ALL;

-- canonical_string: a string, or NULL, as canonical JSON (RFC 8785) writes it.
CREATE MACRO canonical_string(value) AS CASE
    WHEN value IS NULL THEN 'null'
    WHEN NOT regexp_matches(value, '[\x00-\x1f"\\]') THEN '"' || value || '"'
    ELSE '"' ||
        replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(
        replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(
        replace(replace(replace(replace(replace(replace(replace(replace(
            replace(replace(value, '\', '\\'), '"', '\"')
        , chr(0), '\u0000'), chr(1), '\u0001'), chr(2), '\u0002'), chr(3), '\u0003'), chr(4), '\u0004')
        , chr(5), '\u0005'), chr(6), '\u0006'), chr(7), '\u0007'), chr(8), '\b'), chr(9), '\t'), chr(10), '\n')
        , chr(11), '\u000b'), chr(12), '\f'), chr(13), '\r'), chr(14), '\u000e'), chr(15), '\u000f')
        , chr(16), '\u0010'), chr(17), '\u0011'), chr(18), '\u0012'), chr(19), '\u0013'), chr(20), '\u0014')
        , chr(21), '\u0015'), chr(22), '\u0016'), chr(23), '\u0017'), chr(24), '\u0018'), chr(25), '\u0019')
        , chr(26), '\u001a'), chr(27), '\u001b'), chr(28), '\u001c'), chr(29), '\u001d'), chr(30), '\u001e')
        , chr(31), '\u001f')
        || '"'
END;

-- document_digest: what origin.document_digest says, for SQL; digests go in as lower-case hex and come out as bytes.
CREATE MACRO document_digest(text_digest, source, run, item) AS unhex(sha256(
    '["prov-document-1","' || text_digest || '",' || canonical_string(source) || ',' || canonical_string(run) || ','
    || canonical_string(item) || ']'
));

-- foreign_model_digest: what origin.model_digest says of a model that is known by name and declared generation alone.
CREATE MACRO foreign_model_digest(name, generation) AS unhex(sha256(
    '["prov-model-1",' || canonical_string(name) || ',' || coalesce(generation::VARCHAR, 'null') || ',null,null,null,null]'
));

-- What the chain knows of a row: its hash covers its kind, the digest that names it, and these.
CREATE MACRO row_digest(kind, key, body) AS unhex(sha256(netstring(kind) || netstring(hex(key)) || body));
CREATE MACRO document_body(text_digest, source, run_digest, item, url, created_at, bytes, words, metadata) AS
    netstring(hex(text_digest)) || netstring(source) || netstring(hex(run_digest)) || netstring(item) || netstring(url)
    || netstring(epoch_us(created_at)::VARCHAR) || netstring(bytes::VARCHAR) || netstring(words::VARCHAR)
    || netstring(metadata::VARCHAR);
CREATE MACRO annotation_body(name, text, number, flag, moment) AS
    netstring(name) || netstring(text) || netstring(number::VARCHAR) || netstring(flag::VARCHAR)
    || netstring(epoch_us(moment)::VARCHAR);

-- mix_parent: models whose texts documents of a mix were made of, and by how many derivations at the least.
CREATE TABLE mix_parent (mix_id BIGINT NOT NULL, model_id BIGINT NOT NULL, steps INTEGER NOT NULL);
INSERT INTO mix_parent
WITH RECURSIVE forebear(mix_id, document_id, steps) AS (
    SELECT mix_id, parent_id, 1 FROM mix_document JOIN derivation ON child_id = document_id
    UNION
    SELECT mix_id, parent_id, steps + 1 FROM forebear JOIN derivation ON child_id = document_id
)
SELECT mix_id, model_id, min(steps)
FROM forebear
JOIN document USING (document_id)
WHERE model_id IS NOT NULL
GROUP BY mix_id, model_id;

-- learnt_from: what each model and mix has directly behind it; a writing, a derivation, a draw and a training are steps.
CREATE VIEW learnt_from AS
SELECT 'model' AS kind, model_id AS id, 'model' AS from_kind, base_model_id AS from_id, 1 AS steps
FROM model
WHERE base_model_id IS NOT NULL
UNION ALL
SELECT 'model', model_id, 'mix', mix_id, 1 FROM run WHERE kind = 'train' AND mix_id IS NOT NULL
UNION ALL
SELECT DISTINCT 'mix', mix_id, 'model', model_id, 2
FROM mix_composition
WHERE NOT as_drawn AND model_id IS NOT NULL
UNION ALL
SELECT 'mix', mix_id, 'model', model_id, 2 + steps FROM mix_parent;

-- plain_string: what a JSON value that is_plain_string says: a string without escapes, a whole number, or nothing.
CREATE MACRO plain_string(raw) AS
    CASE WHEN raw >= '"' AND raw < '#' THEN nullif(replace(raw, '"', ''), '') ELSE nullif(raw, 'null') END;
CREATE MACRO is_plain_string(raw) AS
    CASE WHEN (raw >= '"' AND raw < '#') OR raw IS NULL OR raw = 'null' THEN true
         ELSE regexp_full_match(raw, '-?[0-9]+') END;
