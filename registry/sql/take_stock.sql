-- take_stock: what each stratum holds, and what is excluded and why.
SELECT excluded, stratum, max(hits) AS hits, count(*) AS documents, sum(bytes)::BIGINT AS bytes,
       sum(words)::BIGINT AS words, CASE WHEN count(tokens) = count(*) THEN sum(tokens)::BIGINT END AS tokens
FROM (SELECT * REPLACE (CASE WHEN excluded IS NULL THEN stratum END AS stratum) FROM candidate)
GROUP BY excluded, stratum
