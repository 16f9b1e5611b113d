-- stats: how many there are of everything.
SELECT (SELECT count(*) FROM document) AS documents,
       (SELECT count(*) FROM text) AS texts,
       (SELECT coalesce(sum(bytes), 0)::BIGINT FROM document) AS bytes,
       (SELECT coalesce(sum(words), 0)::BIGINT FROM document) AS words,
       (SELECT count(*) FROM source) AS sources,
       (SELECT count(*) FROM model) AS models,
       (SELECT count(*) FROM run) AS runs,
       (SELECT count(*) FROM mix) AS mixes,
       (SELECT count(*) FROM derivation) AS derivations,
       (SELECT count(*) FROM batch) AS batches,
       (SELECT name FROM tokenizer ORDER BY tokenizer_id DESC LIMIT 1) AS tokenizer
