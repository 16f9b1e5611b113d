-- exposed_in: the mixes that hold a text or what was made of it, each with how often.
SELECT mix_id, min(step) AS step, count(*) FILTER (step = 0) AS times, count(*) FILTER (step > 0) AS derived
FROM mix_document
JOIN exposed USING (document_id)
GROUP BY mix_id
