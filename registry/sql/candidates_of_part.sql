-- candidates_of_part: the candidates of one part.
SELECT left_id, right_id FROM candidate WHERE part = $part ORDER BY left_id, right_id
