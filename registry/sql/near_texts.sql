-- near_texts: the texts that were judged to be near to another.
SELECT left_id AS text_id FROM near UNION SELECT right_id FROM near
