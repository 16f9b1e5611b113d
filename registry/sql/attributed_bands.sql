-- attributed_bands: how many documents have which probability of being a model's, in tenths.
SELECT least(floor(p_model * 10), 9)::INTEGER AS band, count(*) AS documents, avg(p_model) AS p_model
FROM attributed
GROUP BY band
ORDER BY band
