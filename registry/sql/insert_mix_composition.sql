-- insert_mix_composition: what each mix without a composition is made of, as drawn and as known now.
INSERT INTO mix_composition (mix_id, as_drawn, origin, generation, generation_exact, source_id, license_id, model_id,
                             documents, bytes, words)
SELECT mix_id, as_drawn, origin, generation, generation_exact, source_id, license_id, model_id, count(*), sum(bytes),
       sum(words)
FROM mix_document
JOIN document USING (document_id)
CROSS JOIN (VALUES (true), (false)) AS moment(as_drawn)
WHERE mix_id NOT IN (SELECT mix_id FROM mix_composition)
GROUP BY ALL
