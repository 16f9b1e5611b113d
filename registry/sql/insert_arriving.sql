-- insert_arriving: stage a batch of rows.
INSERT INTO arriving SELECT *, NULL, false, NULL, false FROM incoming
