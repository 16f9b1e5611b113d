-- list_mixes: mixes, newest first.
SELECT lower(hex(mix.digest)) AS digest, mix.made_at, mix.seed, mix.is_foreign,
       coalesce(sum(documents), 0)::BIGINT AS documents, sum(bytes)::BIGINT AS bytes,
       sum(documents) FILTER (origin = 'human') / sum(documents) AS real_frac, mix.spec::VARCHAR AS spec
FROM mix
LEFT JOIN mix_composition ON mix_composition.mix_id = mix.mix_id AND NOT as_drawn
GROUP BY mix.mix_id, mix.digest, mix.made_at, mix.seed, mix.is_foreign, mix.spec
ORDER BY mix.mix_id DESC
LIMIT $limit
