-- learn_known_mixes: the specs of mixes that were known by their digest alone.
UPDATE mix
SET spec = carried.spec, seed = coalesce((carried.spec::JSON ->> '$.seed')::BIGINT, 0), is_foreign = false
FROM carried_mixes AS carried
WHERE mix.digest = unhex(carried.digest) AND mix.is_foreign AND NOT carried.is_stub
