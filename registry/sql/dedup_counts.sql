-- dedup_counts: how many documents and texts were looked at, how many stand in clusters, and how many others stand for.
SELECT (SELECT count(*) FROM deduped) AS documents, (SELECT count(DISTINCT text_id) FROM deduped) AS texts,
       (SELECT count(*) FROM near) AS near_pairs, count(DISTINCT cluster_id) AS clusters, count(*) AS members,
       count(DISTINCT text_id) AS member_texts, (SELECT count(*) FROM duplicate) AS duplicates
FROM member
