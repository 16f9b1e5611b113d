-- placed: where each row of `seeded` stands in the permutation of all ranks that its keys make.
WITH halves AS (
    SELECT *, rank >> 32 AS left0, rank & 4294967295 AS right0 FROM seeded
), first_round AS (
    SELECT *, xor(left0, feistel_round(right0, key0)) AS right1 FROM halves
), second_round AS (
    SELECT *, xor(right0, feistel_round(right1, key1)) AS right2 FROM first_round
), third_round AS (
    SELECT *, xor(right1, feistel_round(right2, key2)) AS right3 FROM second_round
)
SELECT * EXCLUDE (left0, right0, right1, right2, right3),
       (right3 << 32) | xor(right2, feistel_round(right3, key3)) AS place
FROM third_round
