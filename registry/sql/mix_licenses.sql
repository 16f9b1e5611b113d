-- mix_licenses: under which licences the documents of a mix stand, as known now, the most of it first.
SELECT license.name AS license, sum(documents)::BIGINT AS documents, sum(bytes)::BIGINT AS bytes
FROM mix_composition
LEFT JOIN license USING (license_id)
WHERE NOT as_drawn AND mix_id = $mix_id
GROUP BY license.name
ORDER BY documents DESC, license
