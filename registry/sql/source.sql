-- source: what is declared of a source.
SELECT source_id, name, url, consent FROM source WHERE name = $name
