-- stage_erasing: the texts that are to be erased and that no other document keeps.
CREATE OR REPLACE TEMP TABLE erasing AS
SELECT DISTINCT text_id FROM withdrawing WHERE text_id NOT IN (SELECT text_id FROM keeping)
