-- stage_arriving: an empty table for the rows of one act, before they are settled; their texts stand apart.
CREATE OR REPLACE TEMP TABLE arriving AS
SELECT *, NULL::INTEGER AS lineage, false AS lineage_exact, NULL::INTEGER AS generation, false AS generation_exact
FROM incoming
