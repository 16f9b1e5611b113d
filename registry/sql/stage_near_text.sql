-- stage_near_text: the texts among which near-duplicates are sought; of each pair one at least is asked for.
CREATE OR REPLACE TEMP TABLE near_text AS
SELECT text_id, bool_or(is_asked) AS is_asked
FROM (SELECT text_id, false AS is_asked FROM among UNION ALL SELECT text_id, true FROM asked_for)
GROUP BY text_id
