-- mix_by_digest: mixes whose digest starts with these (at least four) hex digits.
SELECT mix_id, digest
FROM mix
WHERE length($digest) >= 4 AND starts_with(lower(hex(digest)), $digest)
ORDER BY digest
