-- stage_candidate: pairs of texts that share a key, in parts of about so many bytes.
-- In crowds not each is paired with each, but with the first and with the next ones.
CREATE OR REPLACE TEMP TABLE candidate AS
WITH pair AS (
    SELECT one.text_id AS one, one.is_asked AS one_asked, other.text_id AS other, other.is_asked AS other_asked
    FROM (FROM keyed WHERE is_asked) AS one
    JOIN keyed AS other ON other.key = one.key AND (other.text_id > one.text_id OR NOT other.is_asked)
    WHERE one.size <= $most
    UNION ALL
    SELECT one.text_id, one.is_asked, other.text_id, other.is_asked
    FROM (FROM crowded WHERE place <= $firsts) AS one
    JOIN crowded AS other ON other.key = one.key AND other.place > one.place
    UNION ALL
    SELECT one.text_id, one.is_asked, other.text_id, other.is_asked
    FROM (SELECT *, place + unnest(range(1, $nexts + 1)) AS next FROM crowded) AS one
    JOIN crowded AS other ON other.key = one.key AND other.place = one.next
), met AS MATERIALIZED (
    SELECT DISTINCT least(one, other) AS left_id, greatest(one, other) AS right_id
    FROM pair
    WHERE (one_asked OR other_asked) AND NOT ($across AND one_asked AND other_asked)
), size AS (
    SELECT text_id, any_value(bytes) AS bytes
    FROM document
    WHERE text_id IN (SELECT left_id FROM met UNION SELECT right_id FROM met)
    GROUP BY text_id
    UNION ALL
    SELECT text_id, strlen(content) FROM strange
)
SELECT left_id, right_id,
       (sum(left_size.bytes + right_size.bytes) OVER (ORDER BY left_id, right_id) // $part_bytes)::BIGINT AS part
FROM met
JOIN size AS left_size ON left_size.text_id = left_id
JOIN size AS right_size ON right_size.text_id = right_id
