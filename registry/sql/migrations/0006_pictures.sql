-- pictures: what models of experiments wrote, to look at.

-- picture: an SVG.
CREATE TABLE picture (experiment_id BIGINT NOT NULL, arm VARCHAR NOT NULL, repeat INTEGER NOT NULL,
                      generation INTEGER NOT NULL, svg VARCHAR NOT NULL, batch_id BIGINT NOT NULL);
