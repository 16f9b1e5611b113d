-- insert_arriving_edge: stage a batch of named parents.
INSERT INTO arriving_edge SELECT * FROM incoming_edge
