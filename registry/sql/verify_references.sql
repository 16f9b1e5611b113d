-- verify_references: ids that name a row which is not there, and rows that nothing names.
WITH reference AS (
    SELECT 'batch.run_id' AS place, run_id AS id, 'run' AS named FROM batch WHERE run_id NOT IN (SELECT run_id FROM run)
    UNION ALL
    SELECT 'tokenizer.batch_id', batch_id, 'batch' FROM tokenizer WHERE batch_id NOT IN (SELECT batch_id FROM batch)
    UNION ALL
    SELECT 'length.text_id', text_id, 'text' FROM length WHERE text_id NOT IN (SELECT text_id FROM text)
    UNION ALL
    SELECT 'length.tokenizer_id', tokenizer_id, 'tokenizer' FROM length WHERE tokenizer_id NOT IN (SELECT tokenizer_id FROM tokenizer)
    UNION ALL
    SELECT 'source.batch_id', batch_id, 'batch' FROM source WHERE batch_id NOT IN (SELECT batch_id FROM batch)
    UNION ALL
    SELECT 'document.text_id', text_id, 'text' FROM document WHERE text_id NOT IN (SELECT text_id FROM text)
    UNION ALL
    SELECT 'document.batch_id', batch_id, 'batch' FROM document WHERE batch_id NOT IN (SELECT batch_id FROM batch)
    UNION ALL
    SELECT 'document.source_id', source_id, 'source' FROM document WHERE source_id NOT IN (SELECT source_id FROM source)
    UNION ALL
    SELECT 'document.run_id', run_id, 'run' FROM document WHERE run_id NOT IN (SELECT run_id FROM run)
    UNION ALL
    SELECT 'document.model_id', model_id, 'model' FROM document WHERE model_id NOT IN (SELECT model_id FROM model)
    UNION ALL
    SELECT 'document.license_id', license_id, 'license' FROM document WHERE license_id NOT IN (SELECT license_id FROM license)
    UNION ALL
    SELECT 'declaration.document_id', document_id, 'document' FROM declaration WHERE document_id NOT IN (SELECT document_id FROM document)
    UNION ALL
    SELECT 'declaration.batch_id', batch_id, 'batch' FROM declaration WHERE batch_id NOT IN (SELECT batch_id FROM batch)
    UNION ALL
    SELECT 'declaration.model_id', model_id, 'model' FROM declaration WHERE model_id NOT IN (SELECT model_id FROM model)
    UNION ALL
    SELECT 'declaration.license_id', license_id, 'license' FROM declaration WHERE license_id NOT IN (SELECT license_id FROM license)
    UNION ALL
    SELECT 'derivation.child_id', child_id, 'document' FROM derivation WHERE child_id NOT IN (SELECT document_id FROM document)
    UNION ALL
    SELECT 'derivation.parent_id', parent_id, 'document' FROM derivation WHERE parent_id NOT IN (SELECT document_id FROM document)
    UNION ALL
    SELECT 'derivation.batch_id', batch_id, 'batch' FROM derivation WHERE batch_id NOT IN (SELECT batch_id FROM batch)
    UNION ALL
    SELECT 'model.base_model_id', base_model_id, 'model' FROM model WHERE base_model_id NOT IN (SELECT model_id FROM model)
    UNION ALL
    SELECT 'model.batch_id', batch_id, 'batch' FROM model WHERE batch_id NOT IN (SELECT batch_id FROM batch)
    UNION ALL
    SELECT 'run.model_id', model_id, 'model' FROM run WHERE model_id NOT IN (SELECT model_id FROM model)
    UNION ALL
    SELECT 'run.mix_id', mix_id, 'mix' FROM run WHERE mix_id NOT IN (SELECT mix_id FROM mix)
    UNION ALL
    SELECT 'run.tokenizer_id', tokenizer_id, 'tokenizer' FROM run WHERE tokenizer_id NOT IN (SELECT tokenizer_id FROM tokenizer)
    UNION ALL
    SELECT 'run.batch_id', batch_id, 'batch' FROM run WHERE batch_id NOT IN (SELECT batch_id FROM batch)
    UNION ALL
    SELECT 'mix.batch_id', batch_id, 'batch' FROM mix WHERE batch_id NOT IN (SELECT batch_id FROM batch)
    UNION ALL
    SELECT 'mix_document.mix_id', mix_id, 'mix' FROM mix_document WHERE mix_id NOT IN (SELECT mix_id FROM mix)
    UNION ALL
    SELECT 'mix_document.document_id', document_id, 'document' FROM mix_document WHERE document_id NOT IN (SELECT document_id FROM document)
    UNION ALL
    SELECT 'annotated_field.batch_id', batch_id, 'batch' FROM annotated_field WHERE batch_id NOT IN (SELECT batch_id FROM batch)
    UNION ALL
    SELECT 'annotation.document_id', document_id, 'document' FROM annotation WHERE document_id NOT IN (SELECT document_id FROM document)
    UNION ALL
    SELECT 'annotation.field_id', field_id, 'annotated_field' FROM annotation WHERE field_id NOT IN (SELECT field_id FROM annotated_field)
    UNION ALL
    SELECT 'annotation.batch_id', batch_id, 'batch' FROM annotation WHERE batch_id NOT IN (SELECT batch_id FROM batch)
    UNION ALL
    SELECT 'holdout.text_id', text_id, 'text' FROM holdout WHERE text_id NOT IN (SELECT text_id FROM text)
    UNION ALL
    SELECT 'holdout.batch_id', batch_id, 'batch' FROM holdout WHERE batch_id NOT IN (SELECT batch_id FROM batch)
    UNION ALL
    SELECT 'holdout_source.source_id', source_id, 'source' FROM holdout_source WHERE source_id NOT IN (SELECT source_id FROM source)
    UNION ALL
    SELECT 'holdout_source.batch_id', batch_id, 'batch' FROM holdout_source WHERE batch_id NOT IN (SELECT batch_id FROM batch)
    UNION ALL
    SELECT 'near_holdout.text_id', text_id, 'text' FROM near_holdout WHERE text_id NOT IN (SELECT text_id FROM text)
    UNION ALL
    SELECT 'near_holdout.near_id', near_id, 'holdout' FROM near_holdout WHERE near_id NOT IN (SELECT text_id FROM holdout)
    UNION ALL
    SELECT 'near_holdout.batch_id', batch_id, 'batch' FROM near_holdout WHERE batch_id NOT IN (SELECT batch_id FROM batch)
    UNION ALL
    SELECT 'withdrawal.batch_id', batch_id, 'batch' FROM withdrawal WHERE batch_id NOT IN (SELECT batch_id FROM batch)
    UNION ALL
    SELECT 'erased.batch_id', batch_id, 'batch' FROM erased WHERE batch_id NOT IN (SELECT batch_id FROM batch)
    UNION ALL
    SELECT 'erased.erased_in', erased_in, 'batch' FROM erased WHERE erased_in NOT IN (SELECT batch_id FROM batch)
    UNION ALL
    SELECT 'handed_out.mix_id', mix_id, 'mix' FROM handed_out WHERE mix_id NOT IN (SELECT mix_id FROM mix)
    UNION ALL
    SELECT 'handed_out.batch_id', batch_id, 'batch' FROM handed_out WHERE batch_id NOT IN (SELECT batch_id FROM batch)
    UNION ALL
    SELECT 'experiment.batch_id', batch_id, 'batch' FROM experiment WHERE batch_id NOT IN (SELECT batch_id FROM batch)
    UNION ALL
    SELECT 'measurement.batch_id', batch_id, 'batch' FROM measurement WHERE batch_id NOT IN (SELECT batch_id FROM batch)
    UNION ALL
    SELECT 'measurement.experiment_id', experiment_id, 'experiment' FROM measurement
    WHERE experiment_id NOT IN (SELECT experiment_id FROM experiment)
    UNION ALL
    SELECT 'picture.batch_id', batch_id, 'batch' FROM picture WHERE batch_id NOT IN (SELECT batch_id FROM batch)
    UNION ALL
    SELECT 'picture.experiment_id', experiment_id, 'experiment' FROM picture
    WHERE experiment_id NOT IN (SELECT experiment_id FROM experiment)
    UNION ALL
    SELECT 'watermark_key.batch_id', batch_id, 'batch' FROM watermark_key WHERE batch_id NOT IN (SELECT batch_id FROM batch)
    UNION ALL
    SELECT 'detection.document_id', document_id, 'document' FROM detection WHERE document_id NOT IN (SELECT document_id FROM document)
    UNION ALL
    SELECT 'detection.key_id', key_id, 'watermark_key' FROM detection WHERE key_id NOT IN (SELECT key_id FROM watermark_key)
    UNION ALL
    SELECT 'detection.batch_id', batch_id, 'batch' FROM detection WHERE batch_id NOT IN (SELECT batch_id FROM batch)
    UNION ALL
    SELECT 'detector.batch_id', batch_id, 'batch' FROM detector WHERE batch_id NOT IN (SELECT batch_id FROM batch)
    UNION ALL
    SELECT 'attribution.document_id', document_id, 'document' FROM attribution WHERE document_id NOT IN (SELECT document_id FROM document)
    UNION ALL
    SELECT 'attribution.batch_id', batch_id, 'batch' FROM attribution WHERE batch_id NOT IN (SELECT batch_id FROM batch)
    UNION ALL
    SELECT 'merged_batch.batch_id', batch_id, 'batch' FROM merged_batch WHERE batch_id NOT IN (SELECT batch_id FROM batch)
    UNION ALL
    SELECT 'mix_composition.mix_id', mix_id, 'mix' FROM mix_composition WHERE mix_id NOT IN (SELECT mix_id FROM mix)
    UNION ALL
    SELECT 'mix_composition.source_id', source_id, 'source' FROM mix_composition WHERE source_id NOT IN (SELECT source_id FROM source)
    UNION ALL
    SELECT 'mix_composition.license_id', license_id, 'license' FROM mix_composition WHERE license_id NOT IN (SELECT license_id FROM license)
    UNION ALL
    SELECT 'mix_composition.model_id', model_id, 'model' FROM mix_composition WHERE model_id NOT IN (SELECT model_id FROM model)
), unnamed AS (
    SELECT 'text ' || lower(hex(digest))[1:12] AS place, 'no document has it' AS what FROM text WHERE text_id NOT IN (SELECT text_id FROM document)
    UNION ALL
    SELECT 'license ' || name, 'nothing was ever declared to have it' FROM license
    WHERE license_id NOT IN (SELECT license_id FROM declaration WHERE license_id IS NOT NULL)
    UNION ALL
    SELECT 'document ' || lower(hex(digest))[1:12] || ' (' || item || ')', 'nothing was declared of it' FROM document
    WHERE document_id NOT IN (SELECT document_id FROM declaration)
)
SELECT place, what, count(*) OVER () AS total
FROM (
    SELECT place, 'it names ' || named || ' ' || id || ', which is not there' AS what FROM reference WHERE id IS NOT NULL
    UNION ALL
    SELECT place, what FROM unnamed
)
ORDER BY place, what
LIMIT $most
