-- verify_twice: digests, names and ids that stand twice, where each must be one.
WITH twice AS (
    SELECT 'batch.batch_id' AS place, batch_id::VARCHAR AS value FROM batch GROUP BY batch_id HAVING count(*) > 1
    UNION ALL
    SELECT 'tokenizer.tokenizer_id', tokenizer_id::VARCHAR FROM tokenizer GROUP BY tokenizer_id HAVING count(*) > 1
    UNION ALL
    SELECT 'length', text_id || ', ' || tokenizer_id FROM length GROUP BY text_id, tokenizer_id HAVING count(*) > 1
    UNION ALL
    SELECT 'license.license_id', license_id::VARCHAR FROM license GROUP BY license_id HAVING count(*) > 1
    UNION ALL
    SELECT 'license.name', name FROM license GROUP BY name HAVING count(*) > 1
    UNION ALL
    SELECT 'source.source_id', source_id::VARCHAR FROM source GROUP BY source_id HAVING count(*) > 1
    UNION ALL
    SELECT 'source.name', name FROM source GROUP BY name HAVING count(*) > 1
    UNION ALL
    SELECT 'text.text_id', text_id::VARCHAR FROM text GROUP BY text_id HAVING count(*) > 1
    UNION ALL
    SELECT 'text.digest', lower(hex(digest))[1:12] FROM text GROUP BY digest HAVING count(*) > 1
    UNION ALL
    SELECT 'document.document_id', document_id::VARCHAR FROM document GROUP BY document_id HAVING count(*) > 1
    UNION ALL
    SELECT 'document.digest', lower(hex(digest))[1:12] FROM document GROUP BY digest HAVING count(*) > 1
    UNION ALL
    SELECT 'derivation', child_id || ', ' || parent_id || ', ' || relation
    FROM derivation
    GROUP BY child_id, parent_id, relation
    HAVING count(*) > 1
    UNION ALL
    SELECT 'model.model_id', model_id::VARCHAR FROM model GROUP BY model_id HAVING count(*) > 1
    UNION ALL
    SELECT 'model.digest', lower(hex(digest))[1:12] FROM model GROUP BY digest HAVING count(*) > 1
    UNION ALL
    SELECT 'run.run_id', run_id::VARCHAR FROM run GROUP BY run_id HAVING count(*) > 1
    UNION ALL
    SELECT 'run.digest', lower(hex(digest))[1:12] FROM run GROUP BY digest HAVING count(*) > 1
    UNION ALL
    SELECT 'mix.mix_id', mix_id::VARCHAR FROM mix GROUP BY mix_id HAVING count(*) > 1
    UNION ALL
    SELECT 'mix.digest', lower(hex(digest))[1:12] FROM mix GROUP BY digest HAVING count(*) > 1
    UNION ALL
    SELECT 'field.name', name FROM field GROUP BY name HAVING count(*) > 1
    UNION ALL
    SELECT 'annotated_field.field_id', field_id::VARCHAR FROM annotated_field GROUP BY field_id HAVING count(*) > 1
    UNION ALL
    SELECT 'annotated_field.name', name FROM annotated_field GROUP BY name HAVING count(*) > 1
    UNION ALL
    SELECT 'near_holdout.text_id', text_id::VARCHAR FROM near_holdout GROUP BY text_id HAVING count(*) > 1
    UNION ALL
    SELECT 'merged_batch.digest', registry || ', ' || lower(hex(digest))[1:12] FROM merged_batch GROUP BY registry, digest HAVING count(*) > 1
    UNION ALL
    SELECT 'experiment.experiment_id', experiment_id::VARCHAR FROM experiment GROUP BY experiment_id HAVING count(*) > 1
    UNION ALL
    SELECT 'experiment.digest', lower(hex(digest))[1:12] FROM experiment GROUP BY digest HAVING count(*) > 1
    UNION ALL
    SELECT 'measurement', arm || ', ' || repeat || ', ' || generation || ', ' || metric
    FROM measurement
    GROUP BY experiment_id, arm, repeat, generation, metric
    HAVING count(*) > 1
    UNION ALL
    SELECT 'picture', arm || ', ' || repeat || ', ' || generation
    FROM picture
    GROUP BY experiment_id, arm, repeat, generation
    HAVING count(*) > 1
    UNION ALL
    SELECT 'watermark_key.key_id', key_id FROM watermark_key GROUP BY key_id HAVING count(*) > 1
    UNION ALL
    SELECT 'detection', document_id || ', ' || key_id FROM detection GROUP BY document_id, key_id, batch_id HAVING count(*) > 1
    UNION ALL
    SELECT 'detector.digest', lower(hex(digest))[1:12] FROM detector GROUP BY digest HAVING count(*) > 1
    UNION ALL
    SELECT 'attribution', document_id || ', ' || batch_id FROM attribution GROUP BY document_id, batch_id HAVING count(*) > 1
    UNION ALL
    SELECT 'setting.name', name FROM setting GROUP BY name HAVING count(*) > 1
)
SELECT place, value || ' stands twice' AS what, count(*) OVER () AS total FROM twice ORDER BY place, what LIMIT $most
