-- stage_stock: what there is of each stratum, in each of 1,024 equal steps of its seeded order, and what is excluded.
CREATE OR REPLACE TEMP TABLE stock AS
SELECT excluded, stratum, step, max(hits) AS hits, count(*) AS documents, sum(bytes)::BIGINT AS bytes,
       sum(words)::BIGINT AS words, sum(tokens)::BIGINT AS tokens, sum(size)::BIGINT AS size
FROM (SELECT * REPLACE (CASE WHEN excluded IS NULL THEN stratum END AS stratum), place >> 54 AS step FROM placed)
GROUP BY excluded, stratum, step
