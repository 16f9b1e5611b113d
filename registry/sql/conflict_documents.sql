-- conflict_documents: what the documents of some texts say of them, each saying once, with how many say so.
SELECT text_id, count(*) AS documents, source.name AS source, origin, document.generation, document.generation_exact,
       model.name AS generator, license.name AS license, lower(hex(min(document.digest))) AS digest,
       arg_min(item, document.digest) AS item
FROM document
JOIN listed USING (text_id)
LEFT JOIN source USING (source_id)
LEFT JOIN license USING (license_id)
LEFT JOIN model ON model.model_id = document.model_id
GROUP BY text_id, source.name, origin, document.generation, document.generation_exact, model.name, license.name
ORDER BY text_id, origin, source, generator, license, digest
