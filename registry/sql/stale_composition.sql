-- stale_composition: of some mixes what they are made of, when drawn and now, by all that may be learnt late.
SELECT mix_id, origin, mix_composition.generation, mix_composition.generation_exact, license.name AS license,
       model.name AS generator, coalesce(sum(documents) FILTER (as_drawn), 0)::BIGINT AS before,
       coalesce(sum(documents) FILTER (NOT as_drawn), 0)::BIGINT AS after
FROM mix_composition
JOIN stale USING (mix_id)
LEFT JOIN license USING (license_id)
LEFT JOIN model USING (model_id)
GROUP BY ALL
ORDER BY mix_id, origin, mix_composition.generation, mix_composition.generation_exact DESC, license, generator
