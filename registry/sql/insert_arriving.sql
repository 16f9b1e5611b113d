-- insert_arriving: stage a batch of rows.
INSERT INTO arriving SELECT * EXCLUDE (text), NULL, false, NULL, false FROM incoming
