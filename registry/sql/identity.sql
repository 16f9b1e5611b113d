-- identity: the id of a registry, the head of its chain, and how many documents it holds.
SELECT (SELECT value FROM setting WHERE name = 'registry_id') AS registry,
       (SELECT lower(hex(digest)) FROM batch ORDER BY batch_id DESC LIMIT 1) AS head,
       (SELECT count(*) FROM document) AS documents
