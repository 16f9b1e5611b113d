-- stage_ranked: of each stratum and turn, the documents below the cut in their seeded order, with a running total.
CREATE OR REPLACE TEMP TABLE ranked AS
WITH asked AS (
    SELECT candidate.document_id, candidate.digest, candidate.rank, candidate.stratum, quota.turn,
           CASE quota.unit WHEN 'documents' THEN 1 WHEN 'bytes' THEN bytes WHEN 'words' THEN words ELSE tokens END
               AS size,
           bytes, words, tokens, wanted, cut, choose0, choose1, choose2, choose3,
           rank >> 32 AS left0, rank & 4294967295 AS right0
    FROM candidate
    JOIN quota ON quota.stratum = candidate.stratum
    WHERE excluded IS NULL
), first_round AS (
    SELECT *, xor(left0, feistel_round(right0, choose0)) AS right1 FROM asked
), second_round AS (
    SELECT *, xor(right0, feistel_round(right1, choose1)) AS right2 FROM first_round
), third_round AS (
    SELECT *, xor(right1, feistel_round(right2, choose2)) AS right3 FROM second_round
), placed AS (
    SELECT *, (right3 << 32) | xor(right2, feistel_round(right3, choose3)) AS place FROM third_round
)
SELECT document_id, digest, rank, stratum, turn, bytes, words, tokens, wanted,
       sum(size) OVER (PARTITION BY stratum, turn ORDER BY place, digest ROWS UNBOUNDED PRECEDING)::BIGINT AS total
FROM placed
WHERE cut IS NULL OR place < cut
