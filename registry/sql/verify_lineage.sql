-- verify_lineage: mixes, runs and models that are marked or dated otherwise than what is known of them.
WITH wrong AS (
    SELECT 'mix ' || lower(hex(mix.digest))[1:12] AS place,
           CASE
               WHEN is_foreign AND (spec IS NOT NULL OR as_of_batch_id IS NOT NULL OR mix_id IN (SELECT mix_id FROM mix_document))
                   THEN 'it is marked as known by its digest alone, and more is known'
               WHEN NOT is_foreign AND spec IS NULL THEN 'it has no spec, and is not marked as known by its digest alone'
               WHEN seed IS DISTINCT FROM CASE WHEN spec IS NOT NULL THEN coalesce((spec ->> '$.seed')::BIGINT, 0) END
                   THEN 'its seed is not the one of its spec'
               WHEN as_of_batch_id IS NULL AND NOT is_foreign AND batch.kind = 'mix'
                   THEN 'it was drawn here, and does not say as of when'
               WHEN as_of_batch_id IS NOT NULL AND (drawing.kind, drawing.made_at) IS DISTINCT FROM ('mix', mix.made_at)
                   THEN 'no batch drew it as of when it says'
               WHEN as_of_batch_id IS NULL AND batch.kind IN ('ingest', 'record') AND mix.made_at <> batch.made_at
                   THEN 'it is dated otherwise than the batch that brought it'
           END AS what
    FROM mix
    LEFT JOIN batch ON batch.batch_id = mix.batch_id
    LEFT JOIN batch AS drawing ON drawing.batch_id = as_of_batch_id + 1
    UNION ALL
    SELECT 'run ' || lower(hex(run.digest))[1:12],
           CASE
               WHEN run.is_foreign AND kind IS NULL AND (mix_id, run.spec, run.seed, tokenizer_id) IS DISTINCT FROM (NULL, NULL, NULL, NULL)
                   THEN 'it is marked as known by its digest alone, and more is known'
               WHEN run.is_foreign AND kind = 'train' AND run.digest IS DISTINCT FROM unhex(sha256(model.digest || mix.digest))
                   THEN 'it is marked as guessed, and its digest is not that of a guess'
               WHEN run.is_foreign AND kind NOT IN ('train') THEN 'it is marked as known by its digest alone, and more is known'
           END
    FROM run
    LEFT JOIN model USING (model_id)
    LEFT JOIN mix USING (mix_id)
    UNION ALL
    SELECT 'model ' || name, 'it is marked as foreign, and its training is recorded' FROM model
    WHERE is_foreign AND model_id IN (SELECT model_id FROM run WHERE kind = 'train' AND NOT is_foreign AND mix_id IS NOT NULL)
)
SELECT place, what, count(*) OVER () AS total FROM wrong WHERE what IS NOT NULL ORDER BY place, what LIMIT $most
