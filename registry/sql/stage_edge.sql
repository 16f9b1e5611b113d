-- stage_edge: the parents of arriving documents, of which none is known yet.
CREATE OR REPLACE TEMP TABLE edge (
    child BLOB, parent BLOB, reference VARCHAR, relation VARCHAR, prefix_chars BIGINT, required BOOLEAN, parents BIGINT
)
