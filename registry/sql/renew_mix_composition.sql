-- renew_mix_composition: what each mix is made of, as it is known now.
INSERT INTO mix_composition (mix_id, as_drawn, origin, generation, generation_exact, source_id, license_id, model_id,
                             documents, bytes, words)
SELECT mix_id, false, origin, generation, generation_exact, source_id, license_id, model_id, count(*), sum(bytes),
       sum(words)
FROM mix_document
JOIN document USING (document_id)
GROUP BY ALL
