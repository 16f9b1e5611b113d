-- batch_content: everything that a batch declared, one hash a row, in an order that no local id decides.
WITH content AS (
    SELECT 'document' AS kind, document.digest AS key,
           netstring(hex(text.digest)) || netstring(source.name) || netstring(hex(run.digest))
           || netstring(item) || netstring(document.url) || netstring(epoch_us(created_at)::VARCHAR)
           || netstring(bytes::VARCHAR) || netstring(words::VARCHAR) || netstring(metadata::VARCHAR) AS body
    FROM document
    JOIN text USING (text_id)
    LEFT JOIN source USING (source_id)
    LEFT JOIN run USING (run_id)
    WHERE document.batch_id = $batch_id
    UNION ALL
    SELECT 'declaration', document.digest,
           netstring(declaration.origin) || netstring(declaration.generation::VARCHAR)
           || netstring(hex(model.digest)) || netstring(license.name) || netstring(declared_by) || netstring(evidence)
    FROM declaration
    JOIN document USING (document_id)
    LEFT JOIN model ON model.model_id = declaration.model_id
    LEFT JOIN license ON license.license_id = declaration.license_id
    WHERE declaration.batch_id = $batch_id
    UNION ALL
    SELECT 'derivation', child.digest,
           netstring(hex(parent.digest)) || netstring(relation) || netstring(prefix_chars::VARCHAR)
    FROM derivation
    JOIN document AS child ON child.document_id = child_id
    JOIN document AS parent ON parent.document_id = parent_id
    WHERE derivation.batch_id = $batch_id
    UNION ALL
    SELECT 'source', encode(name), netstring(url) || netstring(consent) FROM source WHERE batch_id = $batch_id
    UNION ALL
    SELECT 'tokenizer', digest, netstring(name) FROM tokenizer WHERE batch_id = $batch_id
    UNION ALL
    -- Their digests commit to all that models, runs and mixes are; a foreign one may be filled in later.
    SELECT 'model', digest, netstring(name) FROM model WHERE batch_id = $batch_id
    UNION ALL
    SELECT 'run', digest, '' FROM run WHERE batch_id = $batch_id AND NOT (is_foreign AND coalesce(kind, '') = 'train')
    UNION ALL
    SELECT 'mix', digest, '' FROM mix WHERE batch_id = $batch_id
)
SELECT sha256(netstring(kind) || netstring(hex(key)) || body) AS row_digest
FROM content
ORDER BY kind, key, row_digest
