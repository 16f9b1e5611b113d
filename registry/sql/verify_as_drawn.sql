-- verify_as_drawn: how many parts of a mix's composition as drawn are not those of the same mix drawn again.
WITH held AS (
    SELECT origin, generation, generation_exact, source_id, license_id, model_id, documents, bytes, words
    FROM mix_composition
    WHERE mix_id = $mix_id AND as_drawn
)
SELECT count(*) FROM ((FROM held EXCEPT ALL FROM recounted) UNION ALL (FROM recounted EXCEPT ALL FROM held))
