-- insert_mix_composition: what each mix without a composition is made of, as drawn and as known now.
INSERT INTO mix_composition (mix_id, as_drawn, origin, generation, generation_exact, source_id, license_id, model_id,
                             documents, bytes, words)
WITH fresh AS (
    SELECT mix_id FROM mix WHERE mix_id NOT IN (SELECT mix_id FROM mix_composition)
), counted AS (
    SELECT mix_id, origin, generation, generation_exact, source_id, license_id, model_id, count(*) AS documents,
           sum(bytes) AS bytes, sum(words) AS words
    FROM fresh
    JOIN mix_document USING (mix_id)
    JOIN document USING (document_id)
    GROUP BY ALL
)
SELECT mix_id, as_drawn, origin, generation, generation_exact, source_id, license_id, model_id, documents, bytes, words
FROM counted
CROSS JOIN (VALUES (true), (false)) AS moment(as_drawn)
