-- list_mixes: mixes, newest first.
SELECT lower(hex(mix.digest)) AS digest, mix.made_at, mix.seed, mix.is_foreign, count(position) AS documents,
       sum(bytes)::BIGINT AS bytes, count(position) FILTER (origin = 'human') / nullif(count(position), 0) AS real_frac,
       mix.spec::VARCHAR AS spec
FROM mix
LEFT JOIN mix_document USING (mix_id)
LEFT JOIN document USING (document_id)
GROUP BY mix.mix_id, mix.digest, mix.made_at, mix.seed, mix.is_foreign, mix.spec
ORDER BY mix.mix_id DESC
LIMIT $limit
