-- erasing_size: how many texts are erased and how many others keep theirs, and what goes with them.
SELECT (SELECT count(*) FROM text WHERE content IS NOT NULL AND text_id IN (SELECT text_id FROM erasing)) AS texts,
       (SELECT count(*) FROM document WHERE text_id IN (SELECT text_id FROM erasing)) AS documents,
       (SELECT count(*) FROM document WHERE metadata IS NOT NULL AND text_id IN (SELECT text_id FROM erasing)) AS metadata,
       (SELECT count(*)
        FROM annotation
        JOIN document USING (document_id)
        WHERE text_id IN (SELECT text_id FROM erasing)) AS annotations,
       (SELECT count(DISTINCT text_id) FROM keeping) AS refused
