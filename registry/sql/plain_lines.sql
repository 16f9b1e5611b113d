-- plain_lines: the lines of a block in which nothing needs judgement, told into what they say.
-- `raw` is in the order of $pointers: id, origin, generation, generator, source, license, url, created, prompt_of,
-- parents, metadata, provenance, then other names. As many values as keys: no key stands twice, and none is unknown.
-- What is compared often is compared by its first bytes: '"…' is from '"' to '#'.
WITH parsed AS MATERIALIZED (
    SELECT number, line, json_extract_string(line, $text) AS text, json_extract(line, $pointers)::VARCHAR[] AS raw,
           len(json_keys(line)) AS keys
    FROM lines
), told AS MATERIALIZED (
    SELECT number, text, raw[1] AS id, raw[2] AS origin, raw[3] AS generation, raw[4] AS generator, raw[5] AS source,
           raw[6] AS license, raw[7] AS url, raw[8] AS created, raw[9:12] AS judged, raw[13:] AS others
    FROM parsed
    WHERE list_count(raw) + 1 = keys AND text <> '' AND strlen(text) <= $max_bytes
      -- So it is a string: no other value may hold such a name, and one that is nested begins otherwise.
      AND (contains(line, $label || '"') OR contains(line, $label || ' "'))
      AND NOT (starts_with(text, '{') OR starts_with(text, '['))
      -- DuckDB takes a last comma, which is no JSON.
      AND (ends_with(line, '"}' || chr(10)) OR NOT regexp_matches(right(line, 16), ',\s*\}\s*$'))
), said AS MATERIALIZED (
    SELECT number, text, plain_string(id) AS id, plain_string(origin) AS own,
           TRY_CAST(nullif(generation, 'null') AS INTEGER) AS own_generation, plain_string(generator) AS own_generator,
           plain_string(source) AS source, plain_string(license) AS license, plain_string(url) AS url,
           TRY_CAST(plain_string(created) AS TIMESTAMP) AS created_at, others
    FROM told
    WHERE NOT contains(concat(id, origin, generator, source, license, url), '\')
      AND is_plain_string(id) AND is_plain_string(generator) AND is_plain_string(source)
      AND is_plain_string(license) AND is_plain_string(url)
      AND (origin IS NULL OR origin IN ('"human"', '"model"', '"mixed"', '"unknown"', '""', 'null'))
      AND (generation IS NULL OR generation = 'null'
           OR (regexp_full_match(generation, '[0-9]+') AND TRY_CAST(generation AS INTEGER) IS NOT NULL))
      AND (created IS NULL OR created IN ('null', '""') OR (
          regexp_full_match(created, '"\d{4}-\d\d-\d\d([T ]([01]\d|2[0-3]):\d\d(:[0-5]\d(\.\d{1,6})?)?Z?)?"')
          AND created >= '"0001' AND TRY_CAST(plain_string(created) AS TIMESTAMP) IS NOT NULL))
      AND (list_count(judged) = 0 OR len(list_filter(judged, lambda value: value <> 'null')) = 0)
      -- Only what DuckDB writes to the letter as canonical JSON: no nesting, no odd numbers or characters.
      AND len(list_filter(others, lambda value: CASE
          WHEN value >= '"' AND value < '#' AND NOT contains(value, '\') THEN false
          ELSE NOT regexp_full_match(value, 'null|true|false|0|-?[1-9]\d{0,14}|-?[1-9]\d{0,14}\.\d+'
                                            '|-?0\.0{0,3}[1-9]\d*|"([^\\"]|\\[\\"bfnrt])*"')
      END)) = 0
), declared AS (
    SELECT *, coalesce(own, $origin) AS said_origin,
           CASE WHEN own IN ('human', 'unknown') THEN own_generation ELSE coalesce(own_generation, $generation) END
               AS generation,
           CASE WHEN own IN ('human', 'unknown') THEN own_generator ELSE coalesce(own_generator, $generator) END
               AS generator
    FROM said
)
SELECT number, text, unhex(sha256(text)) AS text_digest, coalesce(id, $prefix || number) AS item, coalesce(said_origin, 'unknown') AS origin,
       said_origin IS NOT NULL AS origin_declared, CASE WHEN said_origin <> 'human' THEN generation END AS declared,
       coalesce($run_generator, generator) AS generator, coalesce(source, $source) AS source,
       coalesce(license, $license) AS license, url, created_at,
       list_transform(others, lambda value, place: CASE WHEN value <> 'null' THEN $labels[place] || value END) AS metadata
FROM declared
WHERE CASE
    WHEN said_origin = 'human' THEN $run_generator IS NULL AND coalesce(generation, 0) = 0 AND generator IS NULL
    WHEN said_origin IN ('model', 'mixed')
        THEN coalesce(generation, 1) >= 1 AND ($run_generator IS NULL OR coalesce(generator = $run_generator, true))
    ELSE $run_generator IS NULL AND generation IS NULL AND generator IS NULL
END
