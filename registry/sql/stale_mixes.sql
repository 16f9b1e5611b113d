-- stale_mixes: the mixes that are now made of something else than when drawn; `real_frac` counts documents.
WITH changed AS (
    SELECT mix_id
    FROM mix_composition
    WHERE $mix_id IS NULL OR mix_id = $mix_id
    GROUP BY mix_id, origin, generation, generation_exact, license_id, model_id
    HAVING sum(CASE WHEN as_drawn THEN documents ELSE -documents END) <> 0
)
SELECT mix_id, lower(hex(mix.digest)) AS mix, mix.made_at,
       (sum(documents) FILTER (as_drawn))::BIGINT AS documents,
       coalesce(sum(documents) FILTER (as_drawn AND origin = 'human'), 0)
       / sum(documents) FILTER (as_drawn) AS real_frac_before,
       coalesce(sum(documents) FILTER (NOT as_drawn AND origin = 'human'), 0)
       / sum(documents) FILTER (NOT as_drawn) AS real_frac_after,
       coalesce(sum(bytes) FILTER (as_drawn AND origin = 'human'), 0)
       / sum(bytes) FILTER (as_drawn) AS real_frac_bytes_before,
       coalesce(sum(bytes) FILTER (NOT as_drawn AND origin = 'human'), 0)
       / sum(bytes) FILTER (NOT as_drawn) AS real_frac_bytes_after
FROM mix_composition
JOIN mix USING (mix_id)
WHERE mix_id IN (FROM changed)
GROUP BY mix_id, mix.digest, mix.made_at
ORDER BY mix.made_at, mix.digest
