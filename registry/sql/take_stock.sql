-- take_stock: what each stratum holds, and what is excluded and why.
SELECT excluded, stratum, max(hits) AS hits, sum(documents)::BIGINT AS documents, sum(bytes)::BIGINT AS bytes,
       sum(words)::BIGINT AS words, sum(tokens)::BIGINT AS tokens
FROM stock
GROUP BY excluded, stratum
