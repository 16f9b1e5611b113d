-- learnt_later: whether lineage that bears on a past came to be known only after it: mixes, runs or bases filled in.
SELECT EXISTS (
    FROM model
    JOIN model AS base ON base.model_id = model.base_model_id
    WHERE model.batch_id <= $batch_id AND base.batch_id > $batch_id
) OR EXISTS (
    FROM run
    JOIN model USING (model_id)
    WHERE run.kind = 'train' AND model.batch_id <= $batch_id AND run.batch_id > $batch_id
) OR EXISTS (
    FROM mix
    WHERE batch_id <= $batch_id AND NOT is_foreign AND (as_of_batch_id IS NULL OR as_of_batch_id >= batch_id)
)
