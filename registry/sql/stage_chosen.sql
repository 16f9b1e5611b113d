-- stage_chosen: of each stratum and turn, the documents that stand before its cut: its quota, and somewhat more.
CREATE OR REPLACE TEMP TABLE chosen AS
SELECT document_id, digest, rank, text_id, declared_origin, real_chance, generation, generation_exact, bytes, words,
       placed.stratum, turn, size, place
FROM placed
JOIN quota ON quota.stratum = placed.stratum AND place <= cut
WHERE excluded IS NULL
