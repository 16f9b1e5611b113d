-- annotated_twice: a document of which sidecars say two things, and the first rows that say one and the other.
WITH twice AS (
    SELECT document_id, field
    FROM annotating
    WHERE (text, number, flag, moment) IS DISTINCT FROM (other_text, other_number, other_flag, other_moment)
    ORDER BY entry, field
    LIMIT 1
)
SELECT any_value(document.item) AS item, any_value(name) AS field, arg_min(input, sidecar.entry) AS input,
       arg_min(place, sidecar.entry) AS place
FROM twice
JOIN document USING (document_id)
JOIN sidecar_field USING (field)
JOIN sidecar_match USING (document_id)
JOIN sidecar_values AS said ON said.entry = sidecar_match.entry AND said.field = twice.field
JOIN sidecar ON sidecar.entry = said.entry
GROUP BY CASE kind WHEN 'text' THEN said.text END, CASE kind WHEN 'number' THEN said.number END,
         CASE kind WHEN 'boolean' THEN said.flag END, CASE kind WHEN 'time' THEN said.moment END
ORDER BY min(sidecar.entry)
LIMIT 2
