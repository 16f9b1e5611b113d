-- verify_documents: documents whose digest or rank is not what their parts make it.
SELECT place, what, count(*) OVER () AS total
FROM (
    SELECT 'document ' || lower(hex(document.digest))[1:12] || ' (' || item || ')' AS place,
           CASE
               WHEN document.digest <> document_digest(lower(hex(text.digest)), source.name, lower(hex(run.digest)), item)
                   THEN 'its digest is not that of its text, source, run and item'
               WHEN rank <> ('0x' || hex(document.digest)[1:16])::UBIGINT THEN 'its rank is not the start of its digest'
           END AS what
    FROM document
    JOIN text USING (text_id)
    LEFT JOIN source USING (source_id)
    LEFT JOIN run USING (run_id)
)
WHERE what IS NOT NULL
ORDER BY place
LIMIT $most
