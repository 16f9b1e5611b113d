-- spine: texts, documents and their declarations; sources, models, runs and mixes; the chain of batches.

CREATE TABLE setting (name VARCHAR NOT NULL, value VARCHAR NOT NULL);
CREATE TABLE field (name VARCHAR NOT NULL);   -- names of the users' own columns, which live in document.metadata

CREATE TABLE batch (
    batch_id BIGINT NOT NULL, kind VARCHAR NOT NULL, made_at TIMESTAMP NOT NULL, tool_version VARCHAR NOT NULL,
    run_id BIGINT, input_digest BLOB, documents BIGINT NOT NULL, bytes BIGINT NOT NULL,
    content_digest BLOB NOT NULL, previous_digest BLOB, digest BLOB NOT NULL
);

CREATE TABLE tokenizer (tokenizer_id BIGINT NOT NULL, name VARCHAR NOT NULL, digest BLOB NOT NULL,
                        content VARCHAR NOT NULL, batch_id BIGINT NOT NULL);
CREATE TABLE length (text_id BIGINT NOT NULL, tokenizer_id BIGINT NOT NULL, tokens BIGINT NOT NULL);

CREATE TABLE license (license_id BIGINT NOT NULL, name VARCHAR NOT NULL);
CREATE TABLE source (source_id BIGINT NOT NULL, name VARCHAR NOT NULL, url VARCHAR, consent VARCHAR,
                     batch_id BIGINT NOT NULL);

CREATE TABLE text (text_id BIGINT NOT NULL, digest BLOB NOT NULL, content VARCHAR);
CREATE TABLE document (
    document_id BIGINT NOT NULL, digest BLOB NOT NULL, rank UBIGINT NOT NULL, text_id BIGINT NOT NULL,
    batch_id BIGINT NOT NULL, source_id BIGINT, run_id BIGINT, model_id BIGINT, license_id BIGINT,
    item VARCHAR NOT NULL, url VARCHAR, created_at TIMESTAMP,
    origin VARCHAR NOT NULL, generation INTEGER, generation_exact BOOLEAN NOT NULL,
    bytes BIGINT NOT NULL, words BIGINT NOT NULL, metadata JSON
);
CREATE TABLE declaration (
    document_id BIGINT NOT NULL, batch_id BIGINT NOT NULL, origin VARCHAR NOT NULL, generation INTEGER,
    model_id BIGINT, license_id BIGINT, declared_by VARCHAR, evidence VARCHAR
);
CREATE TABLE derivation (child_id BIGINT NOT NULL, parent_id BIGINT NOT NULL, relation VARCHAR NOT NULL,
                         prefix_chars BIGINT, batch_id BIGINT NOT NULL);

-- A foreign model, run or mix is known by name or digest alone: how it came to be was never recorded here.
CREATE TABLE model (
    model_id BIGINT NOT NULL, name VARCHAR NOT NULL, digest BLOB NOT NULL, base_model_id BIGINT,
    generation INTEGER, generation_exact BOOLEAN NOT NULL, path VARCHAR, is_foreign BOOLEAN NOT NULL,
    batch_id BIGINT NOT NULL
);
CREATE TABLE run (
    run_id BIGINT NOT NULL, digest BLOB NOT NULL, kind VARCHAR, model_id BIGINT NOT NULL, mix_id BIGINT,
    spec JSON, seed BIGINT, tokenizer_id BIGINT, is_foreign BOOLEAN NOT NULL, batch_id BIGINT NOT NULL
);
CREATE TABLE mix (
    mix_id BIGINT NOT NULL, digest BLOB NOT NULL, spec JSON, seed BIGINT, as_of_batch_id BIGINT,
    made_at TIMESTAMP NOT NULL, is_foreign BOOLEAN NOT NULL, batch_id BIGINT NOT NULL
);
CREATE TABLE mix_document (mix_id BIGINT NOT NULL, position BIGINT NOT NULL, document_id BIGINT NOT NULL,
                           stratum INTEGER NOT NULL);

-- netstring: a value so framed that no two lists of values have one concatenation; NULL is its own mark.
CREATE MACRO netstring(value) AS coalesce(strlen(value) || ':' || value || ',', '-');

-- feistel_round: one round on a 32-bit half; the product of two numbers below 2^32 fits a UBIGINT.
CREATE MACRO fold(product) AS xor(product >> 32, product & 4294967295);
CREATE MACRO feistel_round(half, key) AS fold(xor(half, key) * 2654435769);

-- derived_generation: what origin.derive_generation says, for SQL; `lineage` is the highest contribution.
CREATE MACRO derived_generation(origin, declared, lineage, lineage_exact) AS CASE
    WHEN origin = 'human' THEN 0
    WHEN origin = 'unknown' THEN NULL
    WHEN lineage_exact THEN lineage
    ELSE greatest(declared, lineage)
END;
CREATE MACRO derived_exact(origin, declared, lineage, lineage_exact) AS
    origin = 'human'
    OR (origin <> 'unknown' AND (lineage_exact OR coalesce(declared >= coalesce(lineage, 0), false)));

-- latest_declaration: of each document the declaration in force, the newest.
CREATE VIEW latest_declaration AS
SELECT * FROM declaration QUALIFY batch_id = max(batch_id) OVER (PARTITION BY document_id);

-- exported: a document as an export carries it; `mix` is what its model learnt from.
CREATE VIEW exported AS
WITH trained AS (
    SELECT run.model_id, any_value(mix.digest) AS digest
    FROM run
    JOIN mix ON mix.mix_id = run.mix_id
    WHERE run.kind = 'train'
    GROUP BY run.model_id
), parents AS (
    SELECT child_id,
           list({'document': lower(hex(parent.digest)), 'relation': relation, 'prefix_chars': prefix_chars}
                ORDER BY parent.digest, relation) AS parents
    FROM derivation
    JOIN document AS parent ON parent.document_id = parent_id
    GROUP BY child_id
)
SELECT document.document_id, text.content AS text, {
    'document': lower(hex(document.digest)),
    'text': lower(hex(text.digest)),
    'run': lower(hex(run.digest)),
    'model': lower(hex(model.digest)),
    'mix': lower(hex(trained.digest)),
    'registry': (SELECT value FROM setting WHERE name = 'registry_id'),
    'source': source.name,
    'item': item,
    'origin': origin,
    'generation': document.generation,
    'generation_exact': document.generation_exact,
    'generator': model.name,
    'license': license.name,
    'url': document.url,
    'created': created_at,
    'metadata': metadata::VARCHAR,
    'parents': coalesce(parents.parents, [])
} AS provenance
FROM document
JOIN text ON text.text_id = document.text_id
LEFT JOIN run ON run.run_id = document.run_id
LEFT JOIN model ON model.model_id = document.model_id
LEFT JOIN trained ON trained.model_id = document.model_id
LEFT JOIN source ON source.source_id = document.source_id
LEFT JOIN license ON license.license_id = document.license_id
LEFT JOIN parents ON parents.child_id = document.document_id;
