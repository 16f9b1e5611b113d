-- near_conflict_texts: the first pairs of near-duplicates in conflict, those about origin first, then the nearest.
SELECT left_id, right_id, jaccard, containment, of_origin, of_license, lower(hex(one.digest)) AS text,
       one.content[1:$most] AS excerpt, lower(hex(other.digest)) AS their_text, other.content[1:$most] AS their_excerpt
FROM near_conflict
JOIN text AS one ON one.text_id = left_id
JOIN text AS other ON other.text_id = right_id
ORDER BY NOT of_origin, jaccard DESC, containment DESC, one.digest, other.digest
LIMIT $limit
