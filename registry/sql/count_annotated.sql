-- count_annotated: what an act of annotating comes to, once what is in force is left out.
SELECT count(*) AS "values", count(DISTINCT annotating.document_id) AS documents,
       (SELECT count(*) FROM annotating SEMI JOIN annotated USING (document_id, field)) AS changed
FROM annotating
