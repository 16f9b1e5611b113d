-- batch_content: everything that each batch in `asked` declared, one hash a row, in an order that no local id decides.
WITH content AS (
    SELECT asked.batch_id, 'document' AS kind, document.digest AS key,
           document_body(text.digest, source.name, run.digest, item, document.url, created_at, bytes, words, metadata)
               AS body
    FROM document
    JOIN text USING (text_id)
    LEFT JOIN source USING (source_id)
    LEFT JOIN run USING (run_id)
    JOIN asked ON asked.batch_id = document.batch_id
    UNION ALL
    SELECT asked.batch_id, 'declaration', document.digest,
           netstring(declaration.origin) || netstring(declaration.generation::VARCHAR)
           || netstring(hex(model.digest)) || netstring(license.name) || netstring(declared_by) || netstring(evidence)
           -- What every declaration had before there was a precedence leaves no trace.
           || CASE WHEN precedence <> 0 OR declared_at <> asked.made_at
                   THEN netstring(precedence::VARCHAR) || netstring(epoch_us(declared_at)::VARCHAR) ELSE '' END
    FROM declaration
    JOIN document USING (document_id)
    LEFT JOIN model ON model.model_id = declaration.model_id
    LEFT JOIN license ON license.license_id = declaration.license_id
    JOIN asked ON asked.batch_id = declaration.batch_id
    UNION ALL
    SELECT asked.batch_id, 'derivation', child.digest,
           netstring(hex(parent.digest)) || netstring(relation) || netstring(prefix_chars::VARCHAR)
    FROM derivation
    JOIN document AS child ON child.document_id = child_id
    JOIN document AS parent ON parent.document_id = parent_id
    JOIN asked ON asked.batch_id = derivation.batch_id
    UNION ALL
    SELECT asked.batch_id, 'source', encode(name), netstring(url) || netstring(consent) FROM source JOIN asked USING (batch_id)
    UNION ALL
    SELECT asked.batch_id, 'tokenizer', digest, netstring(name) FROM tokenizer JOIN asked USING (batch_id)
    UNION ALL
    -- Their digests commit to all that models, runs and mixes are; a foreign one may be filled in later.
    SELECT asked.batch_id, 'model', digest, netstring(name) FROM model JOIN asked USING (batch_id)
    UNION ALL
    SELECT asked.batch_id, 'run', digest, '' FROM run JOIN asked USING (batch_id) WHERE NOT (is_foreign AND coalesce(kind, '') = 'train')
    UNION ALL
    SELECT asked.batch_id, 'mix', digest, '' FROM mix JOIN asked USING (batch_id)
    UNION ALL
    SELECT asked.batch_id, 'annotated_field', encode(name), netstring(kind) FROM annotated_field JOIN asked USING (batch_id)
    UNION ALL
    SELECT asked.batch_id, 'annotation', document.digest, annotation_body(name, text, number, flag, moment)
    FROM annotation
    JOIN annotated_field USING (field_id)
    JOIN document USING (document_id)
    JOIN asked ON asked.batch_id = annotation.batch_id
    UNION ALL
    SELECT asked.batch_id, 'holdout', digest, netstring(name) FROM holdout JOIN text USING (text_id) JOIN asked ON asked.batch_id = holdout.batch_id
    UNION ALL
    SELECT asked.batch_id, 'holdout_source', encode(source.name), netstring(held.name)
    FROM holdout_source AS held
    JOIN source USING (source_id)
    JOIN asked ON asked.batch_id = held.batch_id
    UNION ALL
    SELECT asked.batch_id, 'withdrawal', encode(value), netstring(scope) || netstring(reason) || netstring(erased::VARCHAR)
    FROM withdrawal
    JOIN asked USING (batch_id)
    UNION ALL
    SELECT asked.batch_id, 'handed_out', encode(path), netstring(handed_out.kind) || netstring(hex(mix.digest))
    FROM handed_out
    LEFT JOIN mix USING (mix_id)
    JOIN asked ON asked.batch_id = handed_out.batch_id
    UNION ALL
    SELECT asked.batch_id, 'merged_batch', digest,
           netstring(registry) || netstring(position::VARCHAR) || netstring(kind) || netstring(epoch_us(merged_batch.made_at)::VARCHAR)
           || netstring(tool_version) || netstring(documents::VARCHAR) || netstring(bytes::VARCHAR)
           || netstring(hex(content_digest)) || netstring(hex(previous_digest))
    FROM merged_batch
    JOIN asked USING (batch_id)
    UNION ALL
    SELECT asked.batch_id, 'erased', key, netstring(kind) || netstring(row_digest) FROM erased JOIN asked ON asked.batch_id = erased_in
)
SELECT batch_id, row_digest
FROM (
    SELECT batch_id, kind, key, row_digest(kind, key, body) AS row_digest
    FROM content
    WHERE (batch_id, kind, key) NOT IN (SELECT (batch_id, kind, key) FROM erased)
    UNION ALL
    SELECT batch_id, kind, key, unhex(row_digest) FROM erased JOIN asked USING (batch_id)
)
ORDER BY batch_id, kind, key, row_digest
