-- stage_drawn: the documents within their quotas, all strata and turns in one seeded order.
CREATE OR REPLACE TEMP TABLE drawn AS
WITH chosen AS (
    SELECT ranked.*, order0, order1, order2, order3, rank >> 32 AS left0, rank & 4294967295 AS right0
    FROM ranked
    JOIN quota ON quota.stratum = ranked.stratum AND quota.turn = ranked.turn
    WHERE total <= ranked.wanted
), first_round AS (
    SELECT *, xor(left0, feistel_round(right0, order0)) AS right1 FROM chosen
), second_round AS (
    SELECT *, xor(right0, feistel_round(right1, order1)) AS right2 FROM first_round
), third_round AS (
    SELECT *, xor(right1, feistel_round(right2, order2)) AS right3 FROM second_round
), placed AS (
    SELECT *, (right3 << 32) | xor(right2, feistel_round(right3, order3)) AS place FROM third_round
)
SELECT row_number() OVER (ORDER BY place, digest, turn) - 1 AS position,
       document_id, digest, stratum, bytes, words, tokens
FROM placed
