-- count_changed: how many documents are attributed anew.
SELECT count(*) FROM changed
