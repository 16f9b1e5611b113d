-- count_declaring: how many documents are to be declared anew.
SELECT count(*) FROM declaring
