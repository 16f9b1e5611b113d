-- attributed_documents: the documents that were attributed, those that are most surely a model's first.
SELECT item AS id, lower(hex(document.digest)) AS document, source.name AS source, attributed.p_model, evidence
FROM attributed
JOIN document USING (document_id)
LEFT JOIN source USING (source_id)
ORDER BY attributed.p_model DESC, document.digest
LIMIT $limit
