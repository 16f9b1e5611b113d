-- count_near_texts: among how many texts near-duplicates are sought, and how many of them are asked for.
SELECT count(*) AS texts, count(*) FILTER (is_asked) AS asked FROM near_text
