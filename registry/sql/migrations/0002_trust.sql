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
