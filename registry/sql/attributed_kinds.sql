-- attributed_kinds: of how many documents there is evidence of each kind.
SELECT kind, count(DISTINCT document_id) AS documents
FROM (SELECT document_id, UNNEST(kinds) AS kind FROM attributed)
GROUP BY kind
