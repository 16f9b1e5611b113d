-- take_stock: what each stratum holds, and what is excluded and why.
-- So many documents of one size would scatter as much as those of a stratum do: `alike`.
SELECT excluded, stratum, max(hits) AS hits, count(*) AS documents, sum(bytes)::BIGINT AS bytes,
       sum(words)::BIGINT AS words, sum(tokens)::BIGINT AS tokens,
       coalesce(sum(size) ** 2 / nullif(sum(size::DOUBLE * size), 0), 0) AS alike
FROM (SELECT * REPLACE (CASE WHEN excluded IS NULL THEN stratum END AS stratum) FROM seeded)
GROUP BY excluded, stratum
