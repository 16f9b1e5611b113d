-- source_held_out_as: under which name a source is held out.
SELECT name FROM holdout_source WHERE source_id = $source_id
