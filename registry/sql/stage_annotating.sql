-- stage_annotating: what sidecars say of documents, each value in the one column of its field's kind.
CREATE OR REPLACE TEMP TABLE annotating AS
SELECT document_id, field, min(entry) AS entry,
       min(CASE WHEN kind = 'text' THEN text END) AS text, max(CASE WHEN kind = 'text' THEN text END) AS other_text,
       min(CASE WHEN kind = 'number' THEN number END) AS number,
       max(CASE WHEN kind = 'number' THEN number END) AS other_number,
       min(CASE WHEN kind = 'boolean' THEN flag END) AS flag, max(CASE WHEN kind = 'boolean' THEN flag END) AS other_flag,
       min(CASE WHEN kind = 'time' THEN moment END) AS moment,
       max(CASE WHEN kind = 'time' THEN moment END) AS other_moment
FROM sidecar_values
JOIN sidecar_field USING (field)
JOIN sidecar_match USING (entry)
GROUP BY document_id, field
