-- content_kinds: of what kinds are the rows that batches from one to another declared, and those that were erased of them.
SELECT DISTINCT kind
FROM (
    (SELECT 'annotated_field' AS kind FROM annotated_field WHERE batch_id BETWEEN $first AND $last LIMIT 1)
    UNION ALL
    (SELECT 'annotation' AS kind FROM annotation WHERE batch_id BETWEEN $first AND $last LIMIT 1)
    UNION ALL
    (SELECT 'attribution' AS kind FROM attribution WHERE batch_id BETWEEN $first AND $last LIMIT 1)
    UNION ALL
    (SELECT 'declaration' AS kind FROM declaration WHERE batch_id BETWEEN $first AND $last LIMIT 1)
    UNION ALL
    (SELECT 'derivation' AS kind FROM derivation WHERE batch_id BETWEEN $first AND $last LIMIT 1)
    UNION ALL
    (SELECT 'detection' AS kind FROM detection WHERE batch_id BETWEEN $first AND $last LIMIT 1)
    UNION ALL
    (SELECT 'detector' AS kind FROM detector WHERE batch_id BETWEEN $first AND $last LIMIT 1)
    UNION ALL
    (SELECT 'document' AS kind FROM document WHERE batch_id BETWEEN $first AND $last LIMIT 1)
    UNION ALL
    (SELECT 'erased' AS kind FROM erased WHERE erased_in BETWEEN $first AND $last LIMIT 1)
    UNION ALL
    (SELECT 'experiment' AS kind FROM experiment WHERE batch_id BETWEEN $first AND $last LIMIT 1)
    UNION ALL
    (SELECT 'handed_out' AS kind FROM handed_out WHERE batch_id BETWEEN $first AND $last LIMIT 1)
    UNION ALL
    (SELECT 'holdout' AS kind FROM holdout WHERE batch_id BETWEEN $first AND $last LIMIT 1)
    UNION ALL
    (SELECT 'holdout_source' AS kind FROM holdout_source WHERE batch_id BETWEEN $first AND $last LIMIT 1)
    UNION ALL
    (SELECT 'measurement' AS kind FROM measurement WHERE batch_id BETWEEN $first AND $last LIMIT 1)
    UNION ALL
    (SELECT 'merged_batch' AS kind FROM merged_batch WHERE batch_id BETWEEN $first AND $last LIMIT 1)
    UNION ALL
    (SELECT 'mix' AS kind FROM mix WHERE batch_id BETWEEN $first AND $last LIMIT 1)
    UNION ALL
    (SELECT 'model' AS kind FROM model WHERE batch_id BETWEEN $first AND $last LIMIT 1)
    UNION ALL
    (SELECT 'near_holdout' AS kind FROM near_holdout WHERE batch_id BETWEEN $first AND $last LIMIT 1)
    UNION ALL
    (SELECT 'picture' AS kind FROM picture WHERE batch_id BETWEEN $first AND $last LIMIT 1)
    UNION ALL
    (SELECT 'run' AS kind FROM run WHERE batch_id BETWEEN $first AND $last LIMIT 1)
    UNION ALL
    (SELECT 'source' AS kind FROM source WHERE batch_id BETWEEN $first AND $last LIMIT 1)
    UNION ALL
    (SELECT 'tokenizer' AS kind FROM tokenizer WHERE batch_id BETWEEN $first AND $last LIMIT 1)
    UNION ALL
    (SELECT 'watermark_key' AS kind FROM watermark_key WHERE batch_id BETWEEN $first AND $last LIMIT 1)
    UNION ALL
    (SELECT 'withdrawal' AS kind FROM withdrawal WHERE batch_id BETWEEN $first AND $last LIMIT 1)
    UNION ALL
    SELECT kind FROM erased WHERE batch_id BETWEEN $first AND $last
)
ORDER BY kind
