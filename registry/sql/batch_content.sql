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
    WHERE document.batch_id = (SELECT batch_id FROM asked)
    UNION ALL
    SELECT 'declaration', document.digest,
           netstring(declaration.origin) || netstring(declaration.generation::VARCHAR)
           || netstring(hex(model.digest)) || netstring(license.name) || netstring(declared_by) || netstring(evidence)
           -- What every declaration had before there was a precedence leaves no trace.
           || CASE WHEN precedence <> 0 OR declared_at <> (SELECT made_at FROM asked)
                   THEN netstring(precedence::VARCHAR) || netstring(epoch_us(declared_at)::VARCHAR) ELSE '' END
    FROM declaration
    JOIN document USING (document_id)
    LEFT JOIN model ON model.model_id = declaration.model_id
    LEFT JOIN license ON license.license_id = declaration.license_id
    WHERE declaration.batch_id = (SELECT batch_id FROM asked)
    UNION ALL
    SELECT 'derivation', child.digest,
           netstring(hex(parent.digest)) || netstring(relation) || netstring(prefix_chars::VARCHAR)
    FROM derivation
    JOIN document AS child ON child.document_id = child_id
    JOIN document AS parent ON parent.document_id = parent_id
    WHERE derivation.batch_id = (SELECT batch_id FROM asked)
    UNION ALL
    SELECT 'source', encode(name), netstring(url) || netstring(consent) FROM source WHERE batch_id = (SELECT batch_id FROM asked)
    UNION ALL
    SELECT 'tokenizer', digest, netstring(name) FROM tokenizer WHERE batch_id = (SELECT batch_id FROM asked)
    UNION ALL
    -- Their digests commit to all that models, runs and mixes are; a foreign one may be filled in later.
    SELECT 'model', digest, netstring(name) FROM model WHERE batch_id = (SELECT batch_id FROM asked)
    UNION ALL
    SELECT 'run', digest, '' FROM run WHERE batch_id = (SELECT batch_id FROM asked) AND NOT (is_foreign AND coalesce(kind, '') = 'train')
    UNION ALL
    SELECT 'mix', digest, '' FROM mix WHERE batch_id = (SELECT batch_id FROM asked)
    UNION ALL
    SELECT 'annotated_field', encode(name), netstring(kind) FROM annotated_field WHERE batch_id = (SELECT batch_id FROM asked)
    UNION ALL
    SELECT 'annotation', document.digest,
           netstring(name) || netstring(text) || netstring(number::VARCHAR) || netstring(flag::VARCHAR)
           || netstring(epoch_us(moment)::VARCHAR)
    FROM annotation
    JOIN annotated_field USING (field_id)
    JOIN document USING (document_id)
    WHERE annotation.batch_id = (SELECT batch_id FROM asked)
    UNION ALL
    SELECT 'holdout', digest, netstring(name) FROM holdout JOIN text USING (text_id) WHERE holdout.batch_id = (SELECT batch_id FROM asked)
    UNION ALL
    SELECT 'holdout_source', encode(source.name), netstring(held.name)
    FROM holdout_source AS held
    JOIN source USING (source_id)
    WHERE held.batch_id = (SELECT batch_id FROM asked)
    UNION ALL
    SELECT 'withdrawal', encode(value), netstring(scope) || netstring(reason) || netstring(erased::VARCHAR)
    FROM withdrawal
    WHERE batch_id = (SELECT batch_id FROM asked)
    UNION ALL
    SELECT 'handed_out', encode(path), netstring(handed_out.kind) || netstring(hex(mix.digest))
    FROM handed_out
    LEFT JOIN mix USING (mix_id)
    WHERE handed_out.batch_id = (SELECT batch_id FROM asked)
    UNION ALL
    SELECT 'merged_batch', digest,
           netstring(registry) || netstring(position::VARCHAR) || netstring(kind) || netstring(epoch_us(made_at)::VARCHAR)
           || netstring(tool_version) || netstring(documents::VARCHAR) || netstring(bytes::VARCHAR)
           || netstring(hex(content_digest)) || netstring(hex(previous_digest))
    FROM merged_batch
    WHERE batch_id = (SELECT batch_id FROM asked)
    UNION ALL
    SELECT 'erased', key, netstring(kind) || netstring(row_digest) FROM erased WHERE erased_in = (SELECT batch_id FROM asked)
)
SELECT row_digest FROM (
SELECT unhex(sha256(netstring(kind) || netstring(hex(key)) || body)) AS row_digest, kind, key
FROM content
WHERE (kind, key) NOT IN (SELECT (kind, key) FROM erased WHERE batch_id = (SELECT batch_id FROM asked))
UNION ALL
SELECT unhex(row_digest), kind, key FROM erased WHERE batch_id = (SELECT batch_id FROM asked)
)
ORDER BY kind, key, row_digest
