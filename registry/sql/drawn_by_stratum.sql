-- drawn_by_stratum: what was drawn of each stratum.
SELECT stratum, count(*) AS documents, sum(bytes)::BIGINT AS bytes, sum(words)::BIGINT AS words,
       CASE WHEN count(tokens) = count(*) THEN sum(tokens)::BIGINT END AS tokens
FROM drawn
GROUP BY stratum
ORDER BY stratum
